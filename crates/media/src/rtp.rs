//! RTP (RFC 3550): packets read where they lie, numbers that wrap, and streams that go on.
//!
//! | module | what it holds |
//! | --- | --- |
//! | this | the header: [`RtpPacket`] reads, [`RtpHeader`] writes, [`classify`] tells RTP from what shares its port |
//! | [`sequence`] | 16-bit numbers carried on beyond their wrap |
//! | [`continuity`] | one stream out of several: SSRC, sequence and timestamps rewritten |

pub mod continuity;
pub mod sequence;

/// The fixed header (RFC 3550 §5.1), in bytes.
pub const HEADER_LEN: usize = 12;
/// The largest packet that is read, in bytes: what an Ethernet frame carries.
pub const PACKET_LEN_MAX: usize = 1500;

/// What a datagram on a media port is (RFC 7983 §7, RFC 5761 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// STUN (RFC 8489).
    Stun,
    /// DTLS (RFC 9147).
    Dtls,
    /// RTP.
    Rtp,
    /// RTCP, also on the port of RTP.
    Rtcp,
    /// Nothing that belongs here.
    Other,
}

/// Tells what shares a port apart, by the first two bytes.
#[must_use]
pub fn classify(datagram: &[u8]) -> Kind {
    match datagram {
        //= RFC 7983 §7
        // the range for STUN is [0, 3]; for DTLS [20, 63]; for RTP and RTCP [128, 191].
        [0..=3, ..] if datagram.len() >= 20 => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        //= RFC 5761 §4
        // payload types 64 to 95 with the marker bit are RTCP packet types 192 to 223.
        [128..=191, 192..=223, ..] if datagram.len() >= 8 => Kind::Rtcp,
        [128..=191, _, ..] if datagram.len() >= HEADER_LEN => Kind::Rtp,
        _ => Kind::Other,
    }
}

/// Why bytes are no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// Shorter than what its header says.
    #[error("{len} bytes, but the header alone takes {needed}")]
    Short {
        /// Bytes there are.
        len: usize,
        /// Bytes that the header takes.
        needed: usize,
    },
    /// Longer than [`PACKET_LEN_MAX`].
    #[error("{0} bytes, at most {PACKET_LEN_MAX} are taken")]
    Long(usize),
    /// Another version than 2.
    #[error("version {0}, expected 2")]
    Version(u8),
    /// The last byte says more padding than there is payload, or none.
    #[error("{padding} bytes of padding in {payload} bytes of payload")]
    Padding {
        /// What the last byte says.
        padding: usize,
        /// Bytes behind the header.
        payload: usize,
    },
}

/// The fields of the fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtpHeader {
    /// The profile's mark: with audio the first packet after silence (RFC 3551 §4.1).
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in units of the clock rate.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Writes the fixed header: no CSRC, no extension, no padding.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 2 << 6;
        self.put(&mut bytes);
        bytes
    }

    /// Writes these fields over those of a packet, and leaves CSRCs, extension and padding as they are.
    ///
    /// # Panics
    /// On less than a header, which [`RtpPacket::parse`] would not have taken.
    pub fn put(&self, packet: &mut [u8]) {
        debug_assert!(self.payload_type < 128, "payload types have 7 bits");
        packet[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// A packet, read where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// The fixed header's fields.
    pub header: RtpHeader,
    /// Bytes of the header with CSRCs and extension: where the payload begins.
    pub header_len: usize,
    /// What is carried, without padding.
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Reads a packet (RFC 3550 §5.1, §5.3.1).
    ///
    /// # Errors
    /// [`RtpError`].
    pub fn parse(packet: &'a [u8]) -> Result<Self, RtpError> {
        let (header, header_len) = parse_header(packet)?;
        let body = &packet[header_len..];
        let padding = match (packet[0] & 0x20 != 0, body.last()) {
            (false, _) => 0,
            //= RFC 3550 §5.1
            // The last octet of the padding contains a count of how many padding octets should be
            // ignored, including itself.
            (true, Some(&count)) if (1..=body.len()).contains(&usize::from(count)) => {
                usize::from(count)
            }
            (true, count) => {
                return Err(RtpError::Padding {
                    padding: count.copied().map_or(0, usize::from),
                    payload: body.len(),
                });
            }
        };
        Ok(Self {
            header,
            header_len,
            payload: &body[..body.len() - padding],
        })
    }
}

/// Reads the header alone: padding is not looked at, as with SRTP it is encrypted.
///
/// # Errors
/// [`RtpError`].
pub fn parse_header(packet: &[u8]) -> Result<(RtpHeader, usize), RtpError> {
    let short = |needed| RtpError::Short {
        len: packet.len(),
        needed,
    };
    let fixed = packet.first_chunk::<HEADER_LEN>();
    let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] =
        fixed.ok_or_else(|| short(HEADER_LEN))?;
    if first >> 6 != 2 {
        return Err(RtpError::Version(first >> 6));
    }
    if packet.len() > PACKET_LEN_MAX {
        return Err(RtpError::Long(packet.len()));
    }
    let mut len = HEADER_LEN + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let head = packet.get(len + 2..len + 4);
        let head = head.ok_or_else(|| short(len + 4))?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([head[0], head[1]]));
    }
    if packet.len() < len {
        return Err(short(len));
    }
    let header = RtpHeader {
        marker: second & 0x80 != 0,
        payload_type: second & 0x7f,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
    };
    Ok((header, len))
}
