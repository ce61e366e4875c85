//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).

use std::fmt::Write as _;
use std::hash::{BuildHasher, DefaultHasher, Hasher};

use crate::header::{BRANCH_COOKIE, CSeq, CallId, From, HeaderError, Via};
use crate::message::{Request, Response, check_response};
use crate::method::Method;
use crate::name::HeaderName;

/// A hash that a peer cannot foresee, since the seed is drawn once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeded(pub(super) u64);

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}

/// Whether the branch is one of RFC 3261, which alone names a transaction.
pub(super) fn is_unique(branch: &str) -> bool {
    let cookie = branch.get(..BRANCH_COOKIE.len());
    branch.len() > BRANCH_COOKIE.len() && cookie == Some(BRANCH_COOKIE)
}

/// Writes what names the server transaction of a request to `key`. `method` is that of the
/// transaction: INVITE for an ACK, and for the INVITE that a CANCEL means.
pub(super) fn server_key(
    key: &mut String,
    via: &Via,
    method: &Method,
    request: &Request,
) -> Result<(), HeaderError> {
    key.clear();
    match via.branch() {
        Some(branch) if is_unique(branch) => {
            //= RFC 3261 §17.2.3
            // The branch, the sent-by value and the method have to match.
            key.push_str(branch);
            key.push('\n');
            write_to(key, &via.sent_by);
            // Tokens and host names are the same in any case (RFC 3261 §7.3.1).
            key.make_ascii_lowercase();
        }
        _ => {
            //= RFC 3261 §17.2.3
            // The INVITE request matches a transaction if the Request-URI, To tag, From tag, Call-ID, CSeq,
            // and top Via header field match.
            let headers = &request.headers;
            let from = headers.need::<From>()?;
            write_to(key, &request.uri);
            key.push('\n');
            key.push_str(from.tag().unwrap_or_default());
            key.push('\n');
            key.push_str(&headers.need::<CallId>()?.0);
            key.push('\n');
            write_to(key, &headers.need::<CSeq>()?.seq);
            key.push('\n');
            key.push_str(headers.text(&HeaderName::Via).unwrap_or_default());
        }
    }
    key.push('\n');
    key.push_str(method.as_str());
    Ok(())
}

/// Writes what names the client transaction of a response to `key`.
pub(super) fn client_key(key: &mut String, branch: &str, method: &Method) {
    //= RFC 3261 §17.1.3
    // The branch and the method in CSeq have to be the same.
    key.clear();
    key.push_str(branch);
    key.make_ascii_lowercase();
    key.push('\n');
    key.push_str(method.as_str());
}

/// What is the same in all copies of a request, whichever way they came (RFC 3261 §8.2.2.2).
pub(super) fn request_hash(hash: Seeded, request: &Request) -> Option<u64> {
    let cseq = request.headers.get::<CSeq>().ok()??;
    let from = request.headers.get::<From>().ok()??;
    let call_id = request.headers.get::<CallId>().ok()??;
    let what = (from.tag(), &*call_id.0, cseq.seq, cseq.method.as_str());
    Some(hash.hash_one(what))
}

fn write_to(key: &mut String, value: &impl std::fmt::Display) {
    write!(key, "{value}").expect("a String takes everything");
}

/// Reads what finds the transaction of a response.
pub(super) fn read_response(response: &Response) -> Result<(Via, CSeq), HeaderError> {
    check_response(response)?;
    //= RFC 3261 §8.1.3.3
    // A response with more than one Via SHOULD be discarded.
    let mut vias: Vec<Via> = response.headers.all()?;
    match (vias.pop(), vias.is_empty()) {
        (Some(via), true) => Ok((via, response.headers.need()?)),
        _ => Err(HeaderError::Repeated(HeaderName::Via)),
    }
}
