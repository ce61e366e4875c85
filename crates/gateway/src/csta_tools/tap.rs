//! Listens to a stream: every frame both ways, as it was read or written.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf as _, BytesMut};
use cloud_uplink::Timestamp;
use csta::frame::HEADER_LEN;
use csta::{FrameDecoder, InvokeId};
use net::clock;
use net::tcp::BoxedStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::record::{Frame, Sender};

/// Where heard frames go.
type Out = Box<dyn FnMut(Frame) + Send>;

/// Hears what goes over a session's connections, one after the other.
#[derive(Clone)]
pub(crate) struct Ear(Arc<Mutex<Hearing>>);

struct Hearing {
    started: Instant,
    us: Side,
    pbx: Side,
    out: Out,
}

/// One direction.
#[derive(Default)]
struct Side {
    decoder: FrameDecoder,
    /// What the decoder still holds.
    held: BytesMut,
    /// Framing was lost: all that follows are bytes.
    lost: bool,
}

impl Ear {
    /// An ear that tells `out` of every frame.
    pub(crate) fn new(out: impl FnMut(Frame) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Hearing {
            started: clock::now(),
            us: Side::default(),
            pbx: Side::default(),
            out: Box::new(out),
        })))
    }

    /// A stream that is heard; frames begin anew.
    pub(crate) fn listen_to(&self, stream: BoxedStream) -> BoxedStream {
        let mut hearing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (hearing.us, hearing.pbx) = (Side::default(), Side::default());
        drop(hearing);
        Box::new(Tap {
            stream,
            ear: self.clone(),
        })
    }

    /// The clock on the wall, and milliseconds since the start, as frames have them.
    pub(crate) fn now(&self) -> (Timestamp, u64) {
        let hearing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hearing.now()
    }

    fn hear(&self, from: Sender, bytes: &[u8]) {
        let mut hearing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hearing.hear(from, bytes);
    }
}

impl Hearing {
    fn now(&self) -> (Timestamp, u64) {
        let since = clock::now().duration_since(self.started);
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        (Timestamp::from_unix_ms(clock::unix_ms()), ms)
    }

    fn hear(&mut self, from: Sender, bytes: &[u8]) {
        let (time, ms) = self.now();
        let side = match from {
            Sender::Us => &mut self.us,
            Sender::Pbx => &mut self.pbx,
        };
        let blank = Frame {
            time,
            ms,
            from,
            invoke_id: InvokeId::EVENT,
            body: Vec::new(),
            lost: false,
        };
        side.held.extend_from_slice(bytes);
        if !side.lost {
            side.decoder.push(bytes);
            loop {
                match side.decoder.next_frame() {
                    Ok(Some(frame)) => {
                        side.held.advance(HEADER_LEN + frame.body.len());
                        (self.out)(Frame {
                            invoke_id: frame.invoke_id,
                            body: frame.body.to_vec(),
                            ..blank.clone()
                        });
                    }
                    Ok(None) => return,
                    Err(_) => break,
                }
            }
            side.lost = true;
        }
        (self.out)(Frame {
            body: side.held.split().to_vec(),
            lost: true,
            ..blank
        });
    }
}

struct Tap {
    stream: BoxedStream,
    ear: Ear,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.ear.hear(Sender::Pbx, &buf.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = written {
            self.ear.hear(Sender::Us, &bytes[..len]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
