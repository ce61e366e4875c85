//! The box's address: what may be set, and the files by which systemd-networkd is told.
//!
//! A change is tried before it is kept. The portal writes down what it wants ([`Wanted`]); a part of the
//! box that may write systemd-networkd's files (`ringway network`) reads it, judges it again and carries
//! it out. What is only tried stands under `/run` and is gone after a restart of the box.

mod trial;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use serde::{Deserialize, Serialize};

pub(crate) use trial::{Network as Book, NotTried, Pending};

use crate::wizard::Problem;

/// Time in which somebody has to confirm a new address, in milliseconds.
pub const TRIAL_MS: u64 = 60_000;
/// Servers of the DNS that may be given.
pub const DNS_MAX: usize = 4;
/// Longest [`Wanted`] as JSON, in bytes.
pub const WANTED_LEN_MAX: u64 = 16 * 1024;

/// How the box gets its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the interface: `eth0`.
    pub interface: String,
    /// The address; none for that of DHCP.
    pub fixed: Option<Fixed>,
    /// Servers of the DNS that the customer has added, asked first: they know the names of the house.
    pub internal_dns: Vec<IpAddr>,
    /// Servers that the box had before it got a static address; DHCP's are taken from DHCP.
    pub given_dns: Vec<IpAddr>,
}

/// A static address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// The box's address.
    pub address: Ipv4Addr,
    /// Length of the network's prefix, 8 to 30.
    pub prefix: u8,
    /// The router, in the same network.
    pub gateway: Ipv4Addr,
}

/// What the portal wants of the box, whole: what is not in it is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Counts what was wanted.
    pub id: u64,
    /// What is kept; none leaves the network as it was installed.
    pub kept: Option<Plan>,
    /// What is tried.
    pub trial: Option<Trial>,
}

/// What is tried for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// What to try.
    pub plan: Plan,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
}

/// What came of the last [`Wanted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Which one.
    pub id: u64,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// The network as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Name of the interface with the default route.
    pub interface: String,
    /// The box's address there.
    pub address: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// The router.
    pub gateway: Ipv4Addr,
    /// Servers of the DNS.
    pub dns: Vec<IpAddr>,
    /// Whether the address is DHCP's.
    pub dhcp: bool,
}

/// Whether an address answers, on its way: the hardware address of whoever has it.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// The box's network, as far as the portal may see and change it.
pub trait BoxNetwork: Send + Sync {
    /// How it is now.
    ///
    /// # Errors
    /// A sentence: why that cannot be told.
    fn present(&self) -> Result<Present, String>;
    /// Has the box do what is wanted, soon.
    ///
    /// # Errors
    /// When that cannot be written down.
    fn want(&self, wanted: &Wanted) -> anyhow::Result<()>;
    /// What came of the last that was wanted.
    fn said(&self) -> Option<Said>;
    /// Who else has an address, where the box can see that. Takes a second.
    fn who_has(&self, address: Ipv4Addr) -> Asking<'_>;
}

/// Why a plan is not taken: field and text.
pub(crate) type Wrong = (&'static str, Problem);

impl Fixed {
    fn mask(self) -> u32 {
        u32::MAX
            .checked_shl(32 - u32::from(self.prefix))
            .unwrap_or(0)
    }

    /// Whether an address can be that of a machine in this network.
    pub(crate) fn has(self, address: Ipv4Addr) -> bool {
        let host = u32::from(address) & !self.mask();
        u32::from(address) & self.mask() == u32::from(self.address) & self.mask()
            && host != 0
            && host != !self.mask()
    }

    /// Why it cannot be used, with the field that is meant.
    fn problem(self) -> Option<(&'static str, &'static str)> {
        let [first, ..] = self.address.octets();
        let odd = self.address.is_loopback() || self.address.is_link_local();
        match () {
            () if !(8..=30).contains(&self.prefix) => Some(("address", "error-net-prefix")),
            () if odd || first == 0 || first >= 224 => Some(("address", "error-net-address")),
            () if !self.has(self.address) => Some(("address", "error-net-host")),
            () if !self.has(self.gateway) => Some(("gateway", "error-net-gateway")),
            () if self.gateway == self.address => Some(("gateway", "error-net-gateway-same")),
            () => None,
        }
    }
}

impl Plan {
    /// Whether the box can be told that.
    ///
    /// # Errors
    /// A sentence naming what is wrong, for the log.
    pub fn check(&self) -> Result<(), String> {
        if !is_interface(&self.interface) {
            return Err("the name of the interface is none".to_owned());
        }
        let problem = self.fixed.and_then(Fixed::problem);
        if let Some((field, problem)) = problem {
            return Err(format!("{field}: {problem}"));
        }
        let mut dns = self.internal_dns.iter().chain(&self.given_dns);
        if self.internal_dns.len() > DNS_MAX || self.given_dns.len() > DNS_MAX {
            return Err(format!("more than {DNS_MAX} servers of the DNS"));
        }
        match dns.find(|at| !is_server(**at)) {
            Some(at) => Err(format!("{at} can be no server of the DNS")),
            None => Ok(()),
        }
    }

    /// The file for systemd-networkd.
    #[must_use]
    pub fn file(&self) -> String {
        let Self { interface, .. } = self;
        let mut text = format!(
            "# Written by ringway's portal. What is changed here is lost.\n[Match]\nName={interface}\n\n[Network]\n"
        );
        text.push_str(if self.fixed.is_some() {
            "DHCP=no\n"
        } else {
            "DHCP=yes\n"
        });
        for server in self.internal_dns.iter().chain(&self.given_dns) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "DNS={server}");
        }
        match self.fixed {
            // RFC 5227: an address that somebody else has is not taken.
            Some(Fixed {
                address,
                prefix,
                gateway,
            }) => {
                let _ = write!(
                    text,
                    "\n[Address]\nAddress={address}/{prefix}\nDuplicateAddressDetection=ipv4\n\n[Route]\nGateway={gateway}\n"
                );
            }
            None => text.push_str("\n[DHCPv4]\nUseDNS=yes\n"),
        }
        text
    }
}

impl Wanted {
    /// Reads what the portal has written, and judges it.
    ///
    /// # Errors
    /// A sentence: what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let wanted: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let trial = wanted.trial.as_ref().map(|trial| &trial.plan);
        wanted.kept.iter().chain(trial).try_for_each(Plan::check)?;
        Ok(wanted)
    }
}

/// A form as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    /// `dhcp` or `static`.
    pub(crate) mode: String,
    /// `10.0.0.20/24`.
    pub(crate) address: String,
    pub(crate) gateway: String,
    pub(crate) dns: String,
}

impl Typed {
    /// What is there now, as somebody would type it.
    pub(crate) fn of(present: &Present, kept: Option<&Plan>) -> Self {
        let fixed = kept.map_or(!present.dhcp, |plan| plan.fixed.is_some());
        let internal = kept.map(|plan| plan.internal_dns.clone());
        Self {
            mode: if fixed { "static" } else { "dhcp" }.to_owned(),
            address: format!("{}/{}", present.address, present.prefix),
            gateway: present.gateway.to_string(),
            dns: joined(&internal.unwrap_or_default()),
        }
    }

    /// The plan, or every reason against it.
    pub(crate) fn plan(&self, present: &Present, kept: Option<&Plan>) -> Result<Plan, Vec<Wrong>> {
        let mut wrong: Vec<Wrong> = Vec::new();
        let is_static = match &*self.mode {
            "static" => true,
            "dhcp" => false,
            _ => {
                wrong.push(("mode", Problem::new("error-choice")));
                false
            }
        };
        let fixed = if is_static {
            self.fixed(&mut wrong)
        } else {
            None
        };
        let internal_dns = match servers(&self.dns) {
            Ok(servers) => servers,
            Err(problem) => {
                wrong.push(("dns", problem));
                Vec::new()
            }
        };
        // Those that somebody has typed before are no given ones.
        let typed = kept.map_or(&[][..], |plan| &plan.internal_dns);
        let given = present.dns.iter().filter(|at| is_server(**at));
        let given = given.filter(|at| !typed.contains(at) && !internal_dns.contains(at));
        let given: Vec<IpAddr> = given.copied().take(DNS_MAX).collect();
        if wrong.is_empty() {
            Ok(Plan {
                interface: present.interface.clone(),
                fixed,
                internal_dns,
                given_dns: if is_static { given } else { Vec::new() },
            })
        } else {
            Err(wrong)
        }
    }

    fn fixed(&self, wrong: &mut Vec<Wrong>) -> Option<Fixed> {
        let split = self.address.trim().split_once('/');
        let parsed = split.and_then(|(address, prefix)| {
            Some((address.trim().parse().ok()?, prefix.trim().parse().ok()?))
        });
        let gateway = self.gateway.trim().parse();
        if parsed.is_none() {
            wrong.push(("address", Problem::new("error-net-form")));
        }
        if gateway.is_err() {
            wrong.push(("gateway", Problem::new("error-net-gateway-form")));
        }
        let ((address, prefix), Ok(gateway)) = (parsed?, gateway) else {
            return None;
        };
        let fixed = Fixed {
            address,
            prefix,
            gateway,
        };
        if let Some((field, problem)) = fixed.problem() {
            wrong.push((field, Problem::new(problem)));
        }
        Some(fixed)
    }
}

pub(crate) fn joined(servers: &[IpAddr]) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    servers.join(", ")
}

/// A list of DNS servers.
fn servers(typed: &str) -> Result<Vec<IpAddr>, Problem> {
    let problem = || Problem {
        id: "error-net-dns",
        limits: vec![("max", DNS_MAX.to_string())],
    };
    let mut servers: Vec<IpAddr> = Vec::new();
    for item in crate::wizard::items(typed) {
        let server = item.parse().ok().filter(|at| is_server(*at));
        let server = server.ok_or_else(problem)?;
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    if servers.len() > DNS_MAX {
        return Err(problem());
    }
    Ok(servers)
}

/// Whether a DNS server can have this address: another machine's, and one machine's.
fn is_server(at: IpAddr) -> bool {
    let odd = at.is_unspecified() || at.is_loopback() || at.is_multicast();
    match at {
        IpAddr::V4(at) => !odd && at.octets()[0] != 0 && at.octets()[0] < 224,
        IpAddr::V6(_) => !odd,
    }
}

/// A name as the kernel takes it, without what systemd-networkd would read as a pattern.
fn is_interface(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=15).contains(&name.len())
        && name.bytes().all(allowed)
        && !["lo", ".", ".."].contains(&name)
        && !name.starts_with('-')
}

#[cfg(test)]
mod tests;
