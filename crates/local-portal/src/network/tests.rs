use super::*;

fn present() -> Present {
    Present {
        interface: "eth0".to_owned(),
        address: Ipv4Addr::new(192, 0, 2, 10),
        prefix: 24,
        gateway: Ipv4Addr::new(192, 0, 2, 1),
        dns: vec!["192.0.2.53".parse().unwrap(), "127.0.0.53".parse().unwrap()],
        dhcp: true,
    }
}

fn typed(address: &str, gateway: &str, dns: &str) -> Typed {
    Typed {
        mode: "static".to_owned(),
        address: address.to_owned(),
        gateway: gateway.to_owned(),
        dns: dns.to_owned(),
    }
}

#[test]
fn a_static_address_keeps_the_servers_of_the_dns_that_were_given_behind_those_added() {
    let typed = typed(" 192.0.2.20/24 ", "192.0.2.1", "198.51.100.53 2001:db8::53");
    let plan = typed.plan(&present(), None).unwrap();
    // As systemd.network(5) has it.
    let expect = "\
# Written by ringway's portal. What is changed here is lost.
[Match]
Name=eth0

[Network]
DHCP=no
DNS=198.51.100.53
DNS=2001:db8::53
DNS=192.0.2.53

[Address]
Address=192.0.2.20/24
DuplicateAddressDetection=ipv4

[Route]
Gateway=192.0.2.1
";
    assert_eq!(plan.file(), expect);
    let back = Typed {
        mode: "dhcp".to_owned(),
        dns: "198.51.100.53".to_owned(),
        ..Typed::default()
    };
    let file = back.plan(&present(), Some(&plan)).unwrap().file();
    assert!(
        file.ends_with("DHCP=yes\nDNS=198.51.100.53\n\n[DHCPv4]\nUseDNS=yes\n"),
        "{file}"
    );
}

/// Address, gateway, DNS; the field that is wrong and what is said of it.
const WRONG: &[(&str, &str, &str, &str, &str)] = &[
    ("192.0.2.20", "192.0.2.1", "", "address", "error-net-form"),
    (
        "192.0.2.256/24",
        "192.0.2.1",
        "",
        "address",
        "error-net-form",
    ),
    (
        "192.0.2.20/31",
        "192.0.2.1",
        "",
        "address",
        "error-net-prefix",
    ),
    (
        "192.0.2.20/7",
        "192.0.2.1",
        "",
        "address",
        "error-net-prefix",
    ),
    (
        "127.0.0.2/24",
        "127.0.0.1",
        "",
        "address",
        "error-net-address",
    ),
    (
        "169.254.0.2/16",
        "169.254.0.1",
        "",
        "address",
        "error-net-address",
    ),
    ("0.0.0.2/24", "0.0.0.1", "", "address", "error-net-address"),
    (
        "224.0.0.2/24",
        "224.0.0.1",
        "",
        "address",
        "error-net-address",
    ),
    ("192.0.2.0/24", "192.0.2.1", "", "address", "error-net-host"),
    (
        "192.0.2.255/24",
        "192.0.2.1",
        "",
        "address",
        "error-net-host",
    ),
    (
        "192.0.2.20/28",
        "192.0.2.1",
        "",
        "gateway",
        "error-net-gateway",
    ),
    (
        "192.0.2.20/24",
        "192.0.2.255",
        "",
        "gateway",
        "error-net-gateway",
    ),
    (
        "192.0.2.20/24",
        "192.0.2.20",
        "",
        "gateway",
        "error-net-gateway-same",
    ),
    (
        "192.0.2.20/24",
        "router",
        "",
        "gateway",
        "error-net-gateway-form",
    ),
    (
        "192.0.2.20/24",
        "192.0.2.1",
        "127.0.0.53",
        "dns",
        "error-net-dns",
    ),
    (
        "192.0.2.20/24",
        "192.0.2.1",
        "dns.example",
        "dns",
        "error-net-dns",
    ),
    (
        "192.0.2.20/24",
        "192.0.2.1",
        "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5",
        "dns",
        "error-net-dns",
    ),
];

#[test]
fn what_no_machine_can_have_is_refused_with_the_field() {
    for (address, gateway, dns, field, problem) in WRONG {
        let wrong = typed(address, gateway, dns)
            .plan(&present(), None)
            .unwrap_err();
        let wrong: Vec<_> = wrong
            .iter()
            .map(|(field, problem)| (*field, problem.id))
            .collect();
        assert_eq!(wrong, [(*field, *problem)], "{address} {gateway} {dns}");
    }
    let all = typed("x", "y", "z").plan(&present(), None).unwrap_err();
    assert_eq!(all.len(), 3);
}

#[test]
fn what_stands_in_the_file_of_wishes_is_judged_again() {
    let plan = |interface: &str, gateway: [u8; 4]| Plan {
        interface: interface.to_owned(),
        fixed: Some(Fixed {
            address: Ipv4Addr::new(192, 0, 2, 20),
            prefix: 24,
            gateway: gateway.into(),
        }),
        internal_dns: Vec::new(),
        given_dns: Vec::new(),
    };
    let read = |plan: Plan| {
        let wanted = Wanted {
            id: 1,
            kept: None,
            trial: Some(Trial { plan, until_ms: 1 }),
        };
        Wanted::read(&serde_json::to_vec(&wanted).unwrap())
    };
    assert!(read(plan("enp3s0.12", [192, 0, 2, 1])).is_ok());
    for interface in [
        "",
        "*",
        "eth0\nName=lo",
        "lo",
        "..",
        "a/b",
        "-x",
        "sixteenletters01",
    ] {
        assert!(
            read(plan(interface, [192, 0, 2, 1])).is_err(),
            "{interface}"
        );
    }
    assert!(read(plan("eth0", [192, 0, 3, 1])).is_err());
    for text in ["", "{}", "[]", r#"{"id":1,"kept":null,"trial":null,"x":1}"#] {
        assert!(Wanted::read(text.as_bytes()).is_err(), "{text}");
    }
}
