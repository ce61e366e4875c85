//! A raw CSTA client: frames in, frames out, nothing hidden.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use csta::{Edition, Frame, FrameDecoder, InvokeId, Message, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: TcpStream,
    /// Read, but not yet looked at.
    buffer: BytesMut,
    next: InvokeId,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(addr).await.unwrap(),
            buffer: BytesMut::new(),
            next: InvokeId::new(0).unwrap(),
        }
    }

    pub(crate) async fn send(&mut self, request: impl Into<Request>) -> InvokeId {
        let invoke_id = self.next;
        self.next = invoke_id.next();
        let mut bytes = BytesMut::new();
        let xml = request.into().to_xml(Edition::Ed5);
        csta::frame::encode(invoke_id, &xml, &mut bytes).unwrap();
        self.send_raw(&bytes).await;
        invoke_id
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` when the link is closed.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(&[_, _, high, low]) = self.buffer.first_chunk() {
                let length = usize::from(u16::from_be_bytes([high, low]));
                if self.buffer.len() >= length {
                    let mut decoder = FrameDecoder::default();
                    decoder.push(&self.buffer.split_to(length));
                    return decoder.next_frame().unwrap();
                }
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Whatever bytes come next; none when the link is closed.
    pub(crate) async fn raw(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.fill().await;
        }
        self.buffer.split().to_vec()
    }

    async fn fill(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        // A cut link may show as a reset.
        read.expect("something comes in time").unwrap_or(0)
    }

    pub(crate) async fn message(&mut self) -> Message {
        let frame = self.frame().await.expect("the link is open");
        Message::parse(&frame.body).unwrap()
    }

    /// Sends a request and gives its answer, which must be the next frame.
    pub(crate) async fn ask(&mut self, request: impl Into<Request>) -> Response {
        let invoke_id = self.send(request).await;
        let frame = self.frame().await.expect("the link is open");
        assert_eq!(frame.invoke_id, invoke_id);
        match Message::parse(&frame.body).unwrap() {
            Message::Response(response) => response,
            other => panic!("{} instead of an answer", other.name()),
        }
    }
}
