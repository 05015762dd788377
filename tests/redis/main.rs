//! The client and the observation, against scripted peers and real servers.

#[cfg(test)]
mod client;
#[cfg(test)]
mod many;
#[cfg(test)]
mod observation;
#[cfg(test)]
mod renames;
#[cfg(test)]
mod settings;
#[cfg(test)]
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;
#[cfg(test)]
mod watch;

#[cfg(test)]
mod common {
    //! Peers and replies.

    use std::time::Duration;

    use redis_operator::redis::{Address, Peer, Reply};
    use redis_operator::secret::Password;

    /// Long enough for a loaded machine.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

    pub(crate) fn peer(host: &str, port: u16, incarnation: &str, password: Option<&str>) -> Peer {
        let address = Address { host: host.to_owned(), port };
        let password = password.map(|text| Password::new(text.to_owned()));
        Peer { address, incarnation: incarnation.to_owned(), password }
    }

    pub(crate) fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }
}
