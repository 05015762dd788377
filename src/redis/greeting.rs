//! What Sentinels tell one another on the channel `__sentinel__:hello` of the servers. Total.

/// The channel.
pub const CHANNEL: &str = "__sentinel__:hello";
/// The length of a Sentinel's id.
const ID_LENGTH: usize = 40;

/// One greeting. Borrowed from the message: three Sentinels greet on each server every two seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting<'a> {
    /// Id of the Sentinel that greets.
    pub id: &'a str,
    /// Highest epoch that it knows of.
    pub epoch: i64,
    /// Name of the master that it speaks of.
    pub name: &'a str,
    /// The master's host.
    pub host: &'a str,
    /// The master's port.
    pub port: u16,
    /// Epoch of the master's configuration.
    pub config_epoch: i64,
}

/// Reads a greeting: `ip,port,id,epoch,name,master ip,master port,master's config epoch`. An address may be IPv6 or a name.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Greeting<'_>> {
    let mut fields = std::str::from_utf8(payload).ok()?.split(',');
    let mut next = || fields.next().filter(|field| !field.is_empty());
    let (_own_host, own_port, id) = (next()?, next()?, next()?);
    own_port.parse::<u16>().ok()?;
    let greeting = Greeting {
        id: Some(id).filter(|id| id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?,
        epoch: epoch(next()?)?,
        name: next()?,
        host: next()?,
        port: next()?.parse().ok()?,
        config_epoch: epoch(next()?)?,
    };
    fields.next().is_none().then_some(greeting)
}

/// An epoch, which is never negative.
#[must_use]
pub fn epoch(text: &str) -> Option<i64> {
    text.parse().ok().filter(|epoch| *epoch >= 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_greeting_is_read() {
        for host in ["10.0.0.1", "fd00::1", "rfr-a-0.example"] {
            let text = format!("fd00::9,26379,{ID},7,mymaster,{host},6379,5");
            let expected = Greeting { id: ID, epoch: 7, name: "mymaster", host, port: 6379, config_epoch: 5 };
            assert_eq!(read(text.as_bytes()), Some(expected));
        }
    }

    #[test]
    fn what_is_no_greeting_is_nothing() {
        let wrong = [
            String::new(),
            format!("10.0.0.9,26379,{ID},7,mymaster,10.0.0.1,6379"),
            format!("10.0.0.9,26379,{ID},7,mymaster,10.0.0.1,6379,5,more"),
            format!("10.0.0.9,26379,{ID},-1,mymaster,10.0.0.1,6379,5"),
            format!("10.0.0.9,26379,{ID},99999999999999999999,mymaster,10.0.0.1,6379,5"),
            format!("10.0.0.9,70000,{ID},7,mymaster,10.0.0.1,6379,5"),
            format!("10.0.0.9,26379,{ID},7,mymaster,,6379,5"),
            "10.0.0.9,26379,short,7,mymaster,10.0.0.1,6379,5".to_owned(),
        ];
        for text in wrong {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(b"\xff,1"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, text in "[0-9a-f:.,]{0,120}") {
            let _ = (read(&bytes), read(text.as_bytes()));
        }
    }
}
