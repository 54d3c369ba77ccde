//! A client of HTTP/2 that does only what a test tells it to: no library answers a ping or opens a
//! window behind its back.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// A frame that came.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// One connection.
pub(super) struct Peer(UnixStream);

impl Peer {
    /// Gives each stream a window of so many bytes.
    pub(super) fn connect(path: PathBuf, window: u32) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(300)))
            .unwrap();
        let mut peer = Self(stream);
        peer.0.write_all(PREFACE).unwrap();
        let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
        settings.extend(window.to_be_bytes());
        peer.say(SETTINGS, 0, 0, &settings);
        peer
    }

    /// A peer that is being disconnected cannot say all that it wants to.
    fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let _ = self.0.write_all(&frame(kind, flags, stream, payload));
    }

    /// Lets few bytes be on their way, and says how many there can be.
    pub(super) fn keep_few_on_their_way(&self) -> usize {
        let socket = socket2::SockRef::from(&self.0);
        socket.set_send_buffer_size(8192).unwrap();
        // The kernel looks at the limit before it adds another buffer, not after.
        2 * socket.send_buffer_size().unwrap()
    }

    /// Says the same frame until it has said so many bytes and all of them were read: a ping that
    /// comes behind them is answered.
    #[track_caller]
    pub(super) fn flood(&mut self, kind: u8, stream: u32, payload: &[u8], bytes: usize) {
        let frame = frame(kind, 0, stream, payload);
        let flood = frame.repeat(bytes.div_ceil(frame.len()));
        self.0.write_all(&flood).unwrap();
        self.say(PING, 0, 0, b"read all");
        loop {
            let frame = self.next().expect("an answer to the ping, and not the end");
            self.answer(&frame);
            if frame.kind == PING && frame.flags & ACK != 0 {
                return;
            }
        }
    }

    /// An empty message to this method of the inspector, on a stream of its own.
    pub(super) fn ask(&mut self, stream: u32, method: &str) {
        let path = format!("/netpoller.v1.Inspector/{method}");
        // :method POST and :scheme http, from the static table.
        let mut headers = vec![0x83, 0x86];
        // Literals without indexing, of which the first two have names of the static table: :path,
        // :authority.
        let mut literal = |name: &[u8], value: &str| {
            headers.extend(name);
            headers.push(u8::try_from(value.len()).unwrap());
            headers.extend(value.bytes());
        };
        literal(&[4], &path);
        literal(&[1], "localhost");
        literal(b"\0\x0ccontent-type", "application/grpc");
        literal(b"\0\x02te", "trailers");
        self.say(HEADERS, END_HEADERS, stream, &headers);
        self.say(DATA, END_STREAM, stream, &[0; 5]);
    }

    /// The next frame, `None` when the other end has closed.
    #[track_caller]
    pub(super) fn next(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        self.read(&mut header)?;
        let [a, b, c, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.read(&mut payload)?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.0.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                None
            }
            Err(error) => panic!("neither a frame nor the end: {error}"),
        }
    }

    /// Answers what a well-behaved client answers. Whether it was a ping.
    pub(super) fn answer(&mut self, frame: &Frame) -> bool {
        let is_question = frame.flags & ACK == 0;
        match frame.kind {
            SETTINGS if is_question => self.say(SETTINGS, ACK, 0, &[]),
            PING if is_question => self.say(PING, ACK, 0, &frame.payload),
            _ => {}
        }
        frame.kind == PING && is_question
    }
}
