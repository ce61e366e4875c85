//! Responses that do not fit into a frame, cut into parts.

use super::LONG_RESPONSES_MAX;
use super::sender::FRAME_OVERHEAD;
use crate::command::{CommandError, ErrorCode, Outcome};
use crate::frame::{GatewayFrame, RESPONSE_LEN_MAX, Response, ResponsePart};
use crate::id::CommandId;

/// A response on its way in parts.
#[derive(Debug)]
pub(super) struct Cut {
    id: CommandId,
    /// The whole frame as JSON.
    text: String,
    /// Bytes of it that are sent.
    sent: usize,
    part: u32,
}

/// What a response is to a frame.
#[derive(Debug)]
pub(super) enum Sized {
    Fits(Response),
    Long(Cut),
}

impl Cut {
    /// Tells whether a response fits into a frame; one that may not be sent at all becomes an error.
    pub(super) fn size(response: Response, frame_len: usize, long: usize) -> Sized {
        // Only answers of the PBX can be long.
        if !matches!(&response.outcome, Outcome::Ok(accepted) if accepted.answer.is_some()) {
            return Sized::Fits(response);
        }
        let id = response.id;
        let frame = GatewayFrame::Response(response.clone());
        let text = frame.to_json();
        if text.len() <= frame_len {
            return Sized::Fits(response);
        }
        let error = if text.len() > RESPONSE_LEN_MAX {
            let len = text.len();
            let message =
                format!("the answer has {len} bytes, at most {RESPONSE_LEN_MAX} can be passed on");
            CommandError::new(ErrorCode::Internal, message)
        } else if long >= LONG_RESPONSES_MAX {
            let message =
                format!("{LONG_RESPONSES_MAX} long answers are on the way already: ask again");
            CommandError::new(ErrorCode::Overloaded, message)
        } else {
            return Sized::Long(Self {
                id,
                text,
                sent: 0,
                part: 0,
            });
        };
        let outcome = Outcome::Error(error);
        Sized::Fits(Response { id, outcome })
    }

    /// The next part. There is one until one was the last.
    pub(super) fn next_part(&mut self, frame_len: usize) -> ResponsePart {
        // Text of JSON has no control characters: as a string in JSON it is at most twice as long.
        let rest = &self.text[self.sent..];
        let len = rest.floor_char_boundary((frame_len - FRAME_OVERHEAD) / 2);
        let (part, last) = (self.part, len == rest.len());
        let text = rest[..len].to_owned();
        self.sent += len;
        self.part += 1;
        ResponsePart {
            id: self.id,
            part,
            last,
            text,
        }
    }

    /// Begins anew, on a new connection.
    pub(super) const fn restart(&mut self) {
        (self.sent, self.part) = (0, 0);
    }
}
