//! The box's network as the portal sees it: read out of `/proc` and `/run`, where the service may look,
//! and changed by a file that `ringway network` carries out.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use local_portal::network::{Asking, BoxNetwork, Present, Said, Wanted};

/// What is wanted, under the state directory.
pub(crate) const WANTED: &str = "network/wanted.json";
/// What came of it; its directory is there where `ringway-network` is installed.
pub(crate) const SAID: &str = "/run/ringway-network/said.json";
/// Longest time for somebody to answer for an address.
const ANSWER_TIMES: u32 = 12;
const ANSWER_EVERY: Duration = Duration::from_millis(100);

/// The box's network.
#[derive(Debug)]
pub(crate) struct Networkd {
    wanted: PathBuf,
    said: PathBuf,
}

impl Networkd {
    /// None where nobody carries out what is wanted.
    pub(crate) fn of_box(state_dir: &Path) -> Option<Self> {
        let said = PathBuf::from(SAID);
        let is_there = said.parent().is_some_and(Path::is_dir);
        is_there.then(|| Self {
            wanted: state_dir.join(WANTED),
            said,
        })
    }
}

impl BoxNetwork for Networkd {
    fn present(&self) -> Result<Present, String> {
        let routes = fs::read_to_string("/proc/self/net/route")
            .map_err(|error| format!("/proc/self/net/route: {error}"))?;
        let (interface, gateway) =
            default_route(&routes).ok_or("there is no default route by IPv4")?;
        let address = address_towards(gateway).map_err(|error| error.to_string())?;
        let prefix = prefix_of(&routes, &interface, address).unwrap_or(24);
        let index = fs::read_to_string(format!("/sys/class/net/{interface}/ifindex"));
        let lease = index.map(|index| format!("/run/systemd/netif/leases/{}", index.trim()));
        let resolved = fs::read_to_string("/run/systemd/resolve/resolv.conf");
        let dns = resolved.or_else(|_| fs::read_to_string("/etc/resolv.conf"));
        Ok(Present {
            dhcp: lease.is_ok_and(|lease| Path::new(&lease).exists()),
            interface,
            address,
            prefix,
            gateway,
            dns: servers(&dns.unwrap_or_default()),
        })
    }

    fn want(&self, wanted: &Wanted) -> anyhow::Result<()> {
        let directory = self
            .wanted
            .parent()
            .context("a file stands in a directory")?;
        fs::create_dir_all(directory)?;
        web::write_atomically(&self.wanted, &serde_json::to_vec(wanted)?)
    }

    fn said(&self) -> Option<Said> {
        serde_json::from_slice(&fs::read(&self.said).ok()?).ok()
    }

    fn who_has(&self, address: Ipv4Addr) -> Asking<'_> {
        Box::pin(async move {
            // Anything sent makes the kernel ask who has the address (RFC 826).
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
            socket.send_to(&[], (address, 9)).ok()?;
            for _ in 0..ANSWER_TIMES {
                tokio::time::sleep(ANSWER_EVERY).await;
                let table = fs::read_to_string("/proc/self/net/arp").unwrap_or_default();
                if let Some(hardware) = neighbour(&table, address) {
                    return Some(hardware);
                }
            }
            None
        })
    }
}

/// The address from which something is sent to another; nothing is sent.
fn address_towards(other: Ipv4Addr) -> std::io::Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((other, 9))?;
    match socket.local_addr()?.ip() {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(std::io::ErrorKind::AddrNotAvailable.into()),
    }
}

/// A line of the kernel's routes: interface, destination, gateway, flags, metric, mask.
fn route(line: &str) -> Option<(&str, Ipv4Addr, Ipv4Addr, u32, u32)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, to, by, _, _, _, metric, mask, ..] = fields[..] else {
        return None;
    };
    // In the machine's order of bytes.
    let address = |text| {
        Some(Ipv4Addr::from(
            u32::from_str_radix(text, 16).ok()?.to_ne_bytes(),
        ))
    };
    let mask = u32::from(address(mask)?);
    Some((name, address(to)?, address(by)?, mask, metric.parse().ok()?))
}

fn default_route(table: &str) -> Option<(String, Ipv4Addr)> {
    let routes = table.lines().skip(1).filter_map(route);
    let defaults = routes
        .filter(|(_, to, by, mask, _)| to.is_unspecified() && *mask == 0 && !by.is_unspecified());
    let best = defaults.min_by_key(|(.., metric)| *metric);
    best.map(|(name, _, by, ..)| (name.to_owned(), by))
}

/// The length of the prefix of the network that an address is in.
fn prefix_of(table: &str, interface: &str, address: Ipv4Addr) -> Option<u8> {
    let routes = table.lines().skip(1).filter_map(route);
    let mut around = routes.filter(|(name, to, by, mask, _)| {
        *name == interface
            && by.is_unspecified()
            && *mask != 0
            && u32::from(address) & mask == u32::from(*to)
    });
    let (.., mask, _) = around.next()?;
    u8::try_from(mask.count_ones()).ok()
}

fn servers(resolv_conf: &str) -> Vec<IpAddr> {
    let lines = resolv_conf.lines().map(str::split_whitespace);
    let servers = lines.filter_map(|mut words| {
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    });
    servers.collect()
}

/// The hardware address of a neighbour that has answered: flag 2 of the kernel's table.
fn neighbour(table: &str, address: Ipv4Addr) -> Option<String> {
    let rows = table.lines().skip(1).map(|line| line.split_whitespace());
    rows.filter_map(|mut words| {
        let (at, _, flags, hardware) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        let is_it = at.parse() == Ok(address) && flags & 2 != 0;
        (is_it && hardware != "00:00:00:00:00:00").then(|| hardware.to_owned())
    })
    .next()
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    /// As Linux prints it on a box with 192.0.2.10/24 behind 192.0.2.1.
    const ROUTES: &str = "\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	FE0200C0	0003	0	0	1024	00000000	0	0	0
eth0	00000000	010200C0	0003	0	0	100	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
";
    const NEIGHBOURS: &str = "\
IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         52:54:00:12:35:02     *        eth0
192.0.2.20       0x1         0x0         00:00:00:00:00:00     *        eth0
";

    #[test]
    fn the_kernels_tables_are_read() {
        let gateway = Ipv4Addr::new(192, 0, 2, 1);
        assert_eq!(default_route(ROUTES), Some(("eth0".to_owned(), gateway)));
        let own = Ipv4Addr::new(192, 0, 2, 10);
        assert_eq!(prefix_of(ROUTES, "eth0", own), Some(24));
        assert_eq!(prefix_of(ROUTES, "eth1", own), None);
        assert_eq!(default_route("nonsense\nx y\n"), None);
        let hardware = Some("52:54:00:12:35:02".to_owned());
        assert_eq!(neighbour(NEIGHBOURS, gateway), hardware);
        assert_eq!(neighbour(NEIGHBOURS, Ipv4Addr::new(192, 0, 2, 20)), None);
        let said = "# x\nnameserver 192.0.2.53\nsearch a\nnameserver 2001:db8::1\nnameserver\n";
        let expect: [IpAddr; 2] = [
            "192.0.2.53".parse().unwrap(),
            "2001:db8::1".parse().unwrap(),
        ];
        assert_eq!(servers(said), expect);
    }
}
