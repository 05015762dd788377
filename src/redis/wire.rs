//! The protocol of redis as far as a subscription needs it. Total: any bytes give a frame, a wish for more, or an error.
//!
//! Nothing is copied: greetings arrive all the time, and most say nothing new.

/// The longest text that is taken; `INFO server` has some 2,000 bytes.
const LONGEST_TEXT: usize = 64 * 1024;
/// The longest line, such as an error or a length.
const LONGEST_LINE: usize = 1024;
/// Most items of a list: kind, pattern, channel and payload of a message.
const MOST_ITEMS: usize = 4;

/// What is not in the protocol, or larger than anything that is subscribed to.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// One thing that a server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `+OK`
    Line(&'a [u8]),
    /// `-ERR …`
    Error(&'a [u8]),
    /// A text, or a number as it is written; empty where there is none.
    Text(&'a [u8]),
    /// A list of texts.
    List(List<'a>),
}

/// The items of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct List<'a> {
    items: [&'a [u8]; MOST_ITEMS],
    length: usize,
}

impl<'a> List<'a> {
    /// The items.
    #[must_use]
    pub fn items(&self) -> &[&'a [u8]] {
        self.items.get(..self.length).unwrap_or_default()
    }
}

/// What was read, with the number of bytes that it took; nothing while it is incomplete.
type Read<T> = Result<Option<(T, usize)>, Malformed>;

/// The first frame of what has arrived.
pub fn frame(bytes: &[u8]) -> Read<Frame<'_>> {
    if bytes.first() == Some(&b'*') { list(bytes) } else { scalar(bytes) }
}

fn scalar(bytes: &[u8]) -> Read<Frame<'_>> {
    let Some((line, taken)) = line(bytes)? else {
        return Ok(None);
    };
    match line.split_first() {
        Some((b'+', text)) => Ok(Some((Frame::Line(text), taken))),
        Some((b'-', text)) => Ok(Some((Frame::Error(text), taken))),
        Some((b':', text)) => Ok(Some((Frame::Text(text), taken))),
        Some((b'$', b"-1")) => Ok(Some((Frame::Text(&[]), taken))),
        Some((b'$', length)) => text(bytes, taken, number(length, LONGEST_TEXT)?),
        _ => Err(Malformed),
    }
}

fn text(bytes: &[u8], start: usize, length: usize) -> Read<Frame<'_>> {
    let end = start + length;
    match (bytes.get(start..end), bytes.get(end..end + 2)) {
        (Some(text), Some(b"\r\n")) => Ok(Some((Frame::Text(text), end + 2))),
        (_, Some(_)) => Err(Malformed),
        _ => Ok(None),
    }
}

fn list(bytes: &[u8]) -> Read<Frame<'_>> {
    let Some((line, mut taken)) = line(bytes)? else {
        return Ok(None);
    };
    let length = number(line.get(1..).unwrap_or_default(), MOST_ITEMS)?;
    let mut list = List { length, ..List::default() };
    for item in list.items.iter_mut().take(length) {
        match scalar(bytes.get(taken..).unwrap_or_default())? {
            Some((Frame::Line(text) | Frame::Text(text), more)) => {
                *item = text;
                taken += more;
            }
            Some(_) => return Err(Malformed),
            None => return Ok(None),
        }
    }
    Ok(Some((Frame::List(list), taken)))
}

/// The first line without its end.
fn line(bytes: &[u8]) -> Read<&[u8]> {
    let searched = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    match searched.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Ok(Some((searched.get(..end).unwrap_or_default(), end + 2))),
        None if bytes.len() > LONGEST_LINE => Err(Malformed),
        None => Ok(None),
    }
}

fn number(digits: &[u8], most: usize) -> Result<usize, Malformed> {
    let number: Option<usize> = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.filter(|number| *number <= most).ok_or(Malformed)
}

/// A command as it is sent.
#[must_use]
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items<'a>(frame: &'a Frame<'a>) -> Vec<&'a str> {
        let Frame::List(list) = frame else { panic!("{frame:?}") };
        list.items().iter().map(|item| std::str::from_utf8(item).unwrap()).collect()
    }

    #[test]
    fn a_message_is_read_when_all_of_it_is_there() {
        let bytes = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\n\r\n\r\n:1\r\n";
        for length in 0..bytes.len() - 4 {
            assert_eq!(frame(&bytes[..length]), Ok(None), "{length}");
        }
        let (message, taken) = frame(bytes).unwrap().unwrap();
        assert_eq!((items(&message), taken), (vec!["message", "c", "\r\n"], bytes.len() - 4));
        assert_eq!(frame(&bytes[taken..]), Ok(Some((Frame::Text(b"1"), 4))));
    }

    #[test]
    fn other_frames() {
        let cases: [(&[u8], Frame<'_>); 5] = [
            (b"+OK\r\n", Frame::Line(b"OK")),
            (b"-ERR no\r\n", Frame::Error(b"ERR no")),
            (b"$-1\r\n", Frame::Text(b"")),
            (b"$0\r\n\r\n", Frame::Text(b"")),
            (b"*0\r\n", Frame::List(List::default())),
        ];
        for (bytes, expected) in cases {
            assert_eq!(frame(bytes), Ok(Some((expected, bytes.len()))));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let long = [b'+'; LONGEST_LINE + 1];
        let cases: [&[u8]; 9] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\r\n",
            b"$1\r\nab\r\n",
            b"$-2\r\n",
            b"$99999999999999999999\r\n",
            b"$65537\r\n",
            b"*5\r\n",
            b"*1\r\n*1\r\n",
            &long,
        ];
        for bytes in cases {
            assert_eq!(frame(bytes), Err(Malformed), "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            if let Ok(Some((_, taken))) = frame(&bytes) {
                prop_assert!(taken <= bytes.len());
            }
        }

        #[test]
        fn anything_like_a_frame_is_survived(text in "[*$:+-]([0-9]{1,2}\r\n|[*$:a-z\r\n-]){0,12}") {
            if let Ok(Some((_, taken))) = frame(text.as_bytes()) {
                prop_assert!(taken <= text.len());
            }
        }

        #[test]
        fn what_is_sent_comes_back(words in prop::collection::vec("\\PC{0,20}", 0..=MOST_ITEMS)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let bytes = command(&words);
            let (frame, taken) = frame(&bytes).unwrap().unwrap();
            prop_assert_eq!(items(&frame), words);
            prop_assert_eq!(taken, bytes.len());
        }
    }
}
