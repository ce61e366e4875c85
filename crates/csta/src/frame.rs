//! The TCP framing of ECMA-323 without SOAP.
//!
//! ```text
//! byte  0    1    2    3    4   5   6   7    8 …
//!       00   00   len_hi lo '0' '0' '0' '1'  XML body, UTF-8
//!       format    total     invoke id
//! ```
//! The length is unsigned, big endian, and counts the 8 header bytes and the *bytes* of the body.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::id::InvokeId;

/// Bytes of a frame header.
pub const HEADER_LEN: usize = 8;
/// Most bytes that a body can have: the 16-bit length includes the header.
pub const BODY_LEN_MAX: usize = u16::MAX as usize - HEADER_LEN;

/// One frame: an invoke id and the body it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Correlates answers; [`InvokeId::EVENT`] on events.
    pub invoke_id: InvokeId,
    /// The XML as it came, at most [`BODY_LEN_MAX`] bytes, not yet checked to be UTF-8.
    pub body: Bytes,
}

/// Why the byte stream can no longer be cut into frames. Each one is fatal for the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first two bytes are not `00 00`; `01 …` would be SOAP, which is not spoken here.
    #[error("frame format is {0:02x} {1:02x}, expected 00 00 (CSTA XML without SOAP)")]
    Format(u8, u8),
    /// The length cannot hold the header.
    #[error("frame length is {0}, expected 8 to 65535 (it includes the 8 header bytes)")]
    Length(u16),
    /// Bytes 4 to 7 are not ASCII digits.
    #[error("invoke id is {0:02x?}, expected four ASCII digits")]
    InvokeId([u8; 4]),
}

/// A body too long for the 16-bit length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message body has {0} bytes, a frame holds at most 65527")]
pub struct BodyTooLong(pub usize);

/// Cuts a byte stream into frames. Holds at most one read plus one frame (64 KiB) of bytes.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
}

impl FrameDecoder {
    /// Takes bytes as they came from the link, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`FrameError`] when the header cannot be one. The decoder stays where it is: close the link.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let header = self.buffer.as_ref();
        // A wrong format is told by the first bytes: do not wait for eight to refuse it.
        if let Some(&first) = header.first() {
            let second = header.get(1).copied().unwrap_or(0);
            if (first, second) != (0, 0) {
                return Err(FrameError::Format(first, second));
            }
        }
        let Some(&[_, _, hi, lo, i0, i1, i2, i3]) = header.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let length = u16::from_be_bytes([hi, lo]);
        if usize::from(length) < HEADER_LEN {
            return Err(FrameError::Length(length));
        }
        let digits = [i0, i1, i2, i3];
        let Some(invoke_id) = parse_digits(digits) else {
            return Err(FrameError::InvokeId(digits));
        };
        if self.buffer.len() < usize::from(length) {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(usize::from(length));
        frame.advance(HEADER_LEN);
        Ok(Some(Frame {
            invoke_id,
            body: frame.freeze(),
        }))
    }

    /// Bytes held that do not make a whole frame yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}

fn parse_digits(digits: [u8; 4]) -> Option<InvokeId> {
    let mut value = 0u16;
    for digit in digits {
        let digit = char::from(digit).to_digit(10)?;
        value = value * 10 + u16::try_from(digit).ok()?;
    }
    InvokeId::new(value)
}

/// Appends one frame to `out`.
///
/// # Errors
/// [`BodyTooLong`] when the body exceeds [`BODY_LEN_MAX`]; nothing is written then.
pub fn encode(invoke_id: InvokeId, body: &str, out: &mut BytesMut) -> Result<(), BodyTooLong> {
    let Ok(length) = u16::try_from(body.len() + HEADER_LEN) else {
        return Err(BodyTooLong(body.len()));
    };
    out.reserve(usize::from(length));
    out.put_u16(0);
    out.put_u16(length);
    out.put_slice(invoke_id.to_string().as_bytes());
    out.put_slice(body.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> InvokeId {
        InvokeId::new(value).expect("a test's own number")
    }

    fn decode_all(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, FrameError> {
        let mut decoder = FrameDecoder::default();
        let mut frames = Vec::new();
        for chunk in bytes.chunks(piece) {
            decoder.push(chunk);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn decodes_frames_cut_at_every_byte() {
        let mut bytes = BytesMut::new();
        encode(id(1), "<Jürgen/>", &mut bytes).unwrap();
        encode(InvokeId::EVENT, "<b/>", &mut bytes).unwrap();
        encode(id(9998), "", &mut bytes).unwrap();
        for piece in 1..=bytes.len() {
            let frames = decode_all(&bytes, piece).unwrap();
            let got: Vec<_> = frames
                .iter()
                .map(|f| (f.invoke_id.get(), f.body.as_ref()))
                .collect();
            let want: [(u16, &[u8]); 3] =
                [(1, "<Jürgen/>".as_bytes()), (9999, b"<b/>"), (9998, b"")];
            assert_eq!(got, want, "pieces of {piece}");
        }
    }

    #[test]
    fn length_counts_bytes_and_not_characters() {
        let mut bytes = BytesMut::new();
        encode(id(0), "<é/>", &mut bytes).unwrap();
        assert_eq!(&bytes[..8], [0, 0, 0, 13, b'0', b'0', b'0', b'0']);
    }

    #[test]
    fn length_is_unsigned_up_to_the_largest_frame() {
        for len in [32_767 - HEADER_LEN, 32_768, 40_000, BODY_LEN_MAX] {
            let body = "x".repeat(len);
            let mut bytes = BytesMut::new();
            encode(id(7), &body, &mut bytes).unwrap();
            let frames = decode_all(&bytes, 1000).unwrap();
            assert_eq!(frames.len(), 1);
            assert_eq!(frames[0].body.len(), len);
        }
        let long = "x".repeat(BODY_LEN_MAX + 1);
        assert_eq!(
            encode(id(7), &long, &mut BytesMut::new()),
            Err(BodyTooLong(BODY_LEN_MAX + 1))
        );
    }

    #[test]
    fn refuses_headers_that_cannot_be_one() {
        let cases: [(&[u8], FrameError); 7] = [
            (b"\x00\x00\x00\x100 +1", FrameError::InvokeId(*b"0 +1")),
            (b"\x00\x00\x00\x07\x30\x30\x30\x30", FrameError::Length(7)),
            (b"\x00\x00\x00\x00\x30\x30\x30\x30", FrameError::Length(0)),
            (b"\x01", FrameError::Format(1, 0)),
            (b"\x00\x01\x00\x10", FrameError::Format(0, 1)),
            (
                b"\x00\x00\x00\x10\x30\x30\x3a\x30",
                FrameError::InvokeId(*b"00:0"),
            ),
            (b"GET / HTTP/1.1\r\n", FrameError::Format(b'G', b'E')),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode_all(bytes, bytes.len()), Err(error), "{bytes:02x?}");
        }
    }

    #[test]
    fn keeps_an_incomplete_frame_until_its_end_comes() {
        let mut decoder = FrameDecoder::default();
        decoder.push(b"\x00\x00\xff\xff0001<a");
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.buffered(), 10);
    }
}
