//! What may be typed into a field.

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One line of text.
    Text { len_max: usize },
    /// Several lines of text.
    Lines { len_max: usize },
    /// 1 to 64 of letters, digits, `.`, `_`, `-`.
    Name,
    /// A host, and a port unless it is this one.
    HostPort { port: u16 },
    /// `wss://…`.
    Url,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `yes` or nothing.
    Flag,
    /// A whole number in this range.
    Number(u64, u64),
    /// Numbers and ranges of extensions.
    Devices,
    /// `tcp:10.0.0.5:5060`: transport, host and port of a SIP peer.
    SipPeer,
    /// Several of them.
    SipPeers,
    /// Numbers with `x` for any digit.
    Patterns,
    /// One number with `x` for any digit.
    Pattern,
    /// Destination codes: on each line a number as above, and who answers it.
    Destinations,
    /// `2026-12-31`.
    Date,
    /// Kept in a file of its own and never shown.
    Secret,
    /// Certificates in PEM, kept in a file of their own.
    Pem,
}

/// Why a value is not taken: name of the text, and what it fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) id: &'static str,
    pub(crate) limits: Vec<(&'static str, String)>,
}

impl Problem {
    pub(crate) const fn new(id: &'static str) -> Self {
        Self {
            id,
            limits: Vec::new(),
        }
    }

    fn of(id: &'static str, limits: &[(&'static str, u64)]) -> Self {
        let limits = limits
            .iter()
            .map(|(name, limit)| (*name, limit.to_string()))
            .collect();
        Self { id, limits }
    }
}

/// Longest secret, in bytes.
const SECRET_LEN_MAX: usize = 4096;
/// Longest certificate file, in bytes.
const PEM_LEN_MAX: usize = 32 * 1024;
/// Longest list of extensions, in characters.
const DEVICES_LEN_MAX: usize = 20_000;

/// Most destination codes.
const DESTINATIONS_MAX: usize = 200;

impl Kind {
    /// Whether the value is kept in a file and never shown.
    pub(crate) const fn is_hidden(self) -> bool {
        matches!(self, Self::Secret | Self::Pem)
    }

    /// The value as it is kept, or why it is not. An empty one is always taken: whether it may stay
    /// empty is asked at the end.
    pub(crate) fn check(self, typed: &str) -> Result<String, Problem> {
        let value = typed.trim();
        if value.is_empty() {
            return Ok(String::new());
        }
        let len = value.chars().count();
        let fits = |fits: bool, problem: &'static str| {
            if fits {
                Ok(value.to_owned())
            } else {
                Err(Problem::new(problem))
            }
        };
        match self {
            Self::Text { len_max } if len > len_max || value.chars().any(char::is_control) => {
                Err(Problem::of("error-text", &[("max", len_max as u64)]))
            }
            Self::Lines { len_max } if len > len_max => {
                Err(Problem::of("error-text", &[("max", len_max as u64)]))
            }
            Self::Text { .. } | Self::Lines { .. } => Ok(value.to_owned()),
            Self::Name => fits(is_name(value), "error-name"),
            Self::HostPort { port } => host_port(value, port).ok_or(Problem::new("error-host")),
            Self::Url => fits(is_url(value), "error-url"),
            Self::Choice(words) => fits(words.contains(&value), "error-choice"),
            Self::Flag => fits(value == "yes", "error-choice"),
            Self::Number(min, max) => match value.parse::<u64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
                _ => Err(Problem::of("error-number", &[("min", min), ("max", max)])),
            },
            Self::Devices => fits(
                len <= DEVICES_LEN_MAX && items(value).all(is_range),
                "error-devices",
            ),
            Self::SipPeer => sip_peer(value).ok_or(Problem::new("error-sip-peer")),
            Self::SipPeers => {
                let peers: Option<Vec<_>> = items(value).map(sip_peer).collect();
                let peers = peers.filter(|_| len <= DEVICES_LEN_MAX);
                let peers = peers.ok_or(Problem::new("error-sip-peer"))?;
                Ok(peers.join(", "))
            }
            Self::Patterns => fits(
                len <= DEVICES_LEN_MAX && items(value).all(is_pattern),
                "error-patterns",
            ),
            Self::Pattern => fits(is_pattern(value), "error-pattern"),
            Self::Destinations => {
                let all: Option<Vec<_>> = value.lines().map(destination).collect();
                let all = all.filter(|all| len <= DEVICES_LEN_MAX && all.len() <= DESTINATIONS_MAX);
                let all = all.ok_or(Problem::new("error-destinations"))?;
                Ok(all.join("\n").trim().to_owned())
            }
            Self::Date => fits(
                value.parse::<jiff::civil::Date>().is_ok() && len == 10,
                "error-date",
            ),
            Self::Secret => {
                let is_line = value.len() <= SECRET_LEN_MAX && !value.chars().any(char::is_control);
                fits(is_line, "error-secret")
            }
            Self::Pem => fits(
                value.len() <= PEM_LEN_MAX
                    && value.starts_with("-----BEGIN CERTIFICATE-----")
                    && value.ends_with("-----END CERTIFICATE-----")
                    && value.is_ascii(),
                "error-pem",
            ),
        }
    }
}

/// The entries of a list.
pub(crate) fn items(list: &str) -> impl Iterator<Item = &str> {
    let parts = list.split(|char: char| char == ',' || char == ';' || char.is_whitespace());
    parts.filter(|part| !part.is_empty())
}

/// Whether a list of numbers and ranges has that number.
pub(super) fn covers(range: &str, number: &str) -> bool {
    match range.split_once('-') {
        Some((first, last)) => number.len() == first.len() && (first..=last).contains(&number),
        None => range == number,
    }
}

fn is_range(range: &str) -> bool {
    let is_number = |text: &str| {
        (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match range.split_once('-') {
        Some((first, last)) => {
            is_number(first) && is_number(last) && first.len() == last.len() && first <= last
        }
        None => is_number(range),
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= 64 && text.bytes().all(allowed)
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("wss://")
        .or_else(|| text.strip_prefix("ws://"));
    let Some((host, _)) = rest.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) else {
        return false;
    };
    text.len() <= 200 && !text.contains(char::is_whitespace) && host_port(host, 443).is_some()
}

/// `tcp:host:port`, with SIP's port where none was typed (RFC 3261 §19.1.2).
fn sip_peer(text: &str) -> Option<String> {
    let (transport, at) = text.split_once(':')?;
    let port = match transport {
        "udp" | "tcp" => 5060,
        "tls" => 5061,
        _ => return None,
    };
    Some(format!("{transport}:{}", host_port(at, port)?))
}

/// As the gateway's dial policy has them: digits, `x` for any, a `+` for more of the last.
fn is_pattern(text: &str) -> bool {
    let body = text.strip_suffix('+').unwrap_or(text);
    let is_allowed = |byte: u8| byte.is_ascii_digit() || b"x*#".contains(&byte);
    (1..=32).contains(&body.len()) && body.bytes().all(is_allowed)
}

/// `7100 application:reception`: a number, and who answers it.
fn destination(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [] => Some(String::new()),
        [code, to] => {
            let name = to.strip_prefix("application:");
            let is_known = ["echo", "conference", "call-through"].contains(&to)
                || name.is_some_and(|name| !name.is_empty() && is_name(name));
            (is_pattern(code) && is_known).then(|| format!("{code} {to}"))
        }
        _ => None,
    }
}

/// The destinations of a value that was checked: number, and who answers.
pub(crate) fn destinations(value: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = value.lines().map(str::trim);
    lines.filter_map(|line| line.split_once(' '))
}

/// `host:port` with the usual port where none was typed; IPv6 addresses in brackets.
fn host_port(text: &str, port: u16) -> Option<String> {
    if let Ok(address) = text.parse::<std::net::Ipv6Addr>() {
        return Some(format!("[{address}]:{port}"));
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return (address.port() != 0).then(|| address.to_string());
    }
    let (host, port) = match text.split_once(':') {
        Some((host, typed)) => (host, typed.parse().ok().filter(|port| *port != 0)?),
        None => (text, port),
    };
    let is_host = (1..=253).contains(&host.len())
        && host.split('.').all(|label| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(inner)
        });
    // Digits and dots alone are an address, and one that is complete.
    let is_address = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_good = is_host && (!is_address || host.parse::<std::net::Ipv4Addr>().is_ok());
    is_good.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PBX: Kind = Kind::HostPort { port: 8882 };

    #[test]
    fn values_are_kept_in_one_form() {
        let good = [
            (PBX, " 10.0.0.5 ", "10.0.0.5:8882"),
            (PBX, "pbx.example:8883", "pbx.example:8883"),
            (PBX, "2001:db8::1", "[2001:db8::1]:8882"),
            (PBX, "[2001:db8::1]:99", "[2001:db8::1]:99"),
            (
                Kind::Url,
                "wss://a.example/gateway/v1/channel",
                "wss://a.example/gateway/v1/channel",
            ),
            (Kind::Number(1, 720), "072", "72"),
            (
                Kind::Devices,
                "2000-2099, 2200\n2300",
                "2000-2099, 2200\n2300",
            ),
            (Kind::Date, "2027-02-28", "2027-02-28"),
            (Kind::SipPeer, "tcp:10.0.0.5", "tcp:10.0.0.5:5060"),
            (
                Kind::SipPeers,
                "tls:a.example udp:[::1]:5070",
                "tls:a.example:5061, udp:[::1]:5070",
            ),
            (Kind::Patterns, "5xxx, 0x", "5xxx, 0x"),
            (Kind::Pattern, "71xx", "71xx"),
            (
                Kind::Destinations,
                " 71xx  application:ivr\n\n7000 echo\r\n70# call-through ",
                "71xx application:ivr\n\n7000 echo\n70# call-through",
            ),
            (Kind::Text { len_max: 3 }, "åäö", "åäö"),
            (Kind::Name, "", ""),
        ];
        for (kind, typed, kept) in good {
            assert_eq!(kind.check(typed).as_deref(), Ok(kept), "{typed}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_is_allowed() {
        let bad = [
            (PBX, "10.0.0", "error-host"),
            (PBX, "10.0.0.256", "error-host"),
            (PBX, "pbx example", "error-host"),
            (PBX, "pbx:0", "error-host"),
            (Kind::Url, "https://a.example", "error-url"),
            (Kind::Url, "wss://a b", "error-url"),
            (Kind::Number(1, 720), "721", "error-number"),
            (Kind::Number(1, 720), "x", "error-number"),
            (Kind::Devices, "2099-2000", "error-devices"),
            (Kind::Devices, "20-2000", "error-devices"),
            (Kind::Date, "2027-02-29", "error-date"),
            (Kind::Text { len_max: 3 }, "abcd", "error-text"),
            (Kind::Name, "a b", "error-name"),
            (Kind::Choice(&["a"]), "b", "error-choice"),
            (Kind::SipPeer, "10.0.0.5", "error-sip-peer"),
            (Kind::SipPeers, "tcp:10.0.0.5, sctp:a", "error-sip-peer"),
            (Kind::Patterns, "5xxx, a", "error-patterns"),
            (Kind::Pattern, "71xx 72xx", "error-pattern"),
            (Kind::Destinations, "7000", "error-destinations"),
            (Kind::Destinations, "7000 reception", "error-destinations"),
            (
                Kind::Destinations,
                "7000 application:",
                "error-destinations",
            ),
            (Kind::Destinations, "7000 echo now", "error-destinations"),
            (Kind::Destinations, "+46 echo", "error-destinations"),
            (Kind::Secret, "a\nb", "error-secret"),
            (Kind::Pem, "x", "error-pem"),
        ];
        for (kind, typed, problem) in bad {
            assert_eq!(kind.check(typed).unwrap_err().id, problem, "{typed}");
        }
    }
}
