//! What the tasks of sockets tell the loop.

use ::sip::message::{Message, ParseError};
use ::sip::transport::{Flow, LinkId};

use super::link::Sender;
use super::stats::Closed;

/// Messages between the sockets and the loop. Beyond it sockets are not read: the kernel's buffers
/// fill, TCP peers wait and datagrams are lost, as on a slow network.
pub(super) const INBOX: usize = 1024;

/// What a task tells.
pub(super) enum Inbound {
    /// A message.
    Message(Box<Message>, Flow),
    /// Bytes that are none.
    Unreadable(Box<ParseError>, Flow),
    /// A link is open and takes bytes through this queue.
    Accepted(LinkId, Flow, Sender),
    /// A link that we asked for is open.
    Opened(LinkId),
    /// A link is gone, or never came.
    Closed(LinkId, Closed, String),
}
