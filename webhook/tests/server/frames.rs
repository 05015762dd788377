//! HTTP/2 by hand, for what no client library sends.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::common::Server;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GO_AWAY: u8 = 7;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// `SETTINGS_INITIAL_WINDOW_SIZE`: what the peer may send on a stream.
pub(crate) const WINDOW: u16 = 4;

/// One frame.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The head of `POST /mutate` with a JSON body.
    pub(crate) fn post(stream: u32, flags: u8) -> Self {
        let mut block = vec![0x83, 0x87, 0x04, 7];
        block.extend_from_slice(b"/mutate\x01\x09localhost\x0f\x10\x10application/json");
        Self { kind: HEADERS, flags: flags | END_HEADERS, stream, payload: block }
    }

    pub(crate) fn reset(stream: u32) -> Self {
        Self { kind: RST_STREAM, flags: 0, stream, payload: CANCEL.to_be_bytes().to_vec() }
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&u32::try_from(self.payload.len()).unwrap().to_be_bytes()[1..]);
        to.extend_from_slice(&[self.kind, self.flags]);
        to.extend_from_slice(&self.stream.to_be_bytes());
        to.extend_from_slice(&self.payload);
    }

    /// The error code at `at`, as frames that end something carry it.
    pub(crate) fn error(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The whole frames in what a server sent.
pub(crate) fn read(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, s0, s1, s2, s3, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
        frames.push(Frame { kind: *kind, flags: *flags, stream, payload: payload.to_vec() });
        bytes = after;
    }
    frames
}

/// A connection after the client's preface, with one setting where it asks for it.
pub(crate) async fn connect(server: &Server, setting: Option<(u16, u32)>) -> TlsStream<TcpStream> {
    let mut stream = server.tls("h2").await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let payload = setting
        .map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .unwrap_or_default();
    Frame { kind: SETTINGS, flags: 0, stream: 0, payload }.write(&mut bytes);
    stream.write_all(&bytes).await.unwrap();
    stream
}
