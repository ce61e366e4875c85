//! Peers that are neither ours nor SIPp: baresip as a phone (in `baresip`), Kamailio as a proxy in between,
//! and the scanners of SIPVicious as strangers.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use net::clock;
use rustix::process::{Pid, Signal, kill_process};
use web::Certificate;

use super::gateway::{Gateway, OWN_LOGIN, PORT};
use super::table::{Table, Verdict};
use super::{baresip, sipp};
use crate::harness::Programs;

/// Longest time of a program that ends by itself.
const LIMIT: Duration = Duration::from_secs(30);
/// How often is looked whether one has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What the gateway says of itself.
const PRODUCT: &str = "ringway/";

/// Runs those whose name contains `only`.
///
/// # Errors
/// A program is not installed, or a gateway does not start.
pub fn run(programs: &Programs, only: &str, mut say: impl FnMut(&str)) -> Result<Table> {
    let mut table = Table::default();
    let mut take = |name: &str, run: &dyn Fn() -> Result<(bool, String)>| {
        if !name.contains(only) {
            return Ok(());
        }
        let began = clock::now();
        let (right, said) = run().with_context(|| name.to_owned())?;
        if !right {
            say(&format!("{name}\n{said}"));
        }
        table.0.push(Verdict {
            name: name.to_owned(),
            must: "as said".to_owned(),
            got: if right { "so" } else { "otherwise" }.to_owned(),
            right,
            note: format!(
                "{:.1} s",
                clock::now().saturating_duration_since(began).as_secs_f64()
            ),
        });
        Ok::<_, anyhow::Error>(())
    };
    for case in &baresip::CASES {
        take(case.name, &|| baresip::run(programs, case))?;
    }
    for transport in ["udp", "tcp"] {
        let name = format!("kamailio {transport}: echo through a proxy that records its route");
        take(&name, &|| kamailio(programs, transport))?;
    }
    take("sipvicious: nothing for a stranger", &|| scanned(programs))?;
    Ok(table)
}

/// A call by a proxy at the PBX's address, which stays in the path.
fn kamailio(programs: &Programs, transport: &str) -> Result<(bool, String)> {
    let gateway = Gateway::start(programs, transport, false)?;
    let at = gateway.at;
    let (pbx, to) = (at.pbx, at.gateway);
    let route = format!(
        "if (has_totag()) {{ loose_route(); t_relay(); exit; }}\n\
         record_route();\n\
         $du = \"sip:{to}:{PORT};transport={transport}\";\n\
         t_relay();\n"
    );
    let listen = [format!("udp:{pbx}:{PORT}"), format!("tcp:{pbx}:{PORT}")];
    let proxy = Kamailio::start(&listen, &gateway.certificate, "", &route, gateway.folder())?;
    let ended = sipp::call(&gateway, transport, "caller_basic", at.stranger, at.pbx)?;
    let said = format!("{}\n{}", ended.1, proxy.said());
    // The route that the proxy recorded came back in the answer, and the call went along it.
    let recorded = ended.1.contains(&format!("Record-Route: <sip:{}", at.pbx));
    Ok((ended.0 && recorded, said))
}

/// A Kamailio at the addresses of both PBXs. What comes by UDP at the first goes by TLS to the gateway;
/// what comes from there by `transport` goes by UDP to the port `callee` of the second, once the gateway
/// has proved by `algorithm` who it is, if one is named.
///
/// # Errors
/// It does not start.
pub fn hop(gateway: &Gateway, transport: &str, callee: u16, algorithm: &str) -> Result<Kamailio> {
    let at = gateway.at;
    let (second, to) = (at.second, at.sips());
    let (user, password) = OWN_LOGIN;
    let mut listen = vec![format!("{transport}:{second}:{}", at.ports[2])];
    let mut outward = String::new();
    if transport == "tls" {
        let pbx = at.pbx;
        listen.extend([
            format!("tls:{pbx}:{}", at.ports[1]),
            format!("udp:{pbx}:{PORT}"),
            format!("udp:{second}:{PORT}"),
        ]);
        outward = format!(
            "if ($pr != \"tls\") {{ $du = \"sip:{to};transport=tls\"; t_relay(); exit; }}\n"
        );
    } else {
        listen.push(format!("udp:{second}:{}", callee + 1));
    }
    let proof = if algorithm.is_empty() {
        String::new()
    } else {
        format!(
            "if (!pv_www_authenticate(\"second.example\", \"{password}\", \"0\") || $au != \"{user}\") {{\n\
             www_challenge(\"second.example\", \"1\"); exit; }}\n\
             consume_credentials();\n"
        )
    };
    let route = format!(
        "if (is_method(\"CANCEL\")) {{ if (t_check_trans()) t_relay(); exit; }}\n\
         if (has_totag()) {{ loose_route(); t_relay(); exit; }}\n\
         t_check_trans();\n\
         {outward_record}{outward}{proof}record_route();\n\
         $du = \"sip:{second}:{callee};transport=udp\";\n\
         t_relay();\n",
        outward_record = if outward.is_empty() {
            ""
        } else {
            "if ($pr != \"tls\") record_route();\n"
        },
    );
    let digest = if algorithm.is_empty() {
        String::new()
    } else {
        format!("loadmodule \"auth.so\"\nmodparam(\"auth\", \"algorithm\", \"{algorithm}\")\n")
    };
    Kamailio::start(
        &listen,
        &gateway.certificate,
        &digest,
        &route,
        gateway.folder(),
    )
}

/// Kamailio and its children.
#[derive(Debug)]
pub struct Kamailio {
    child: Child,
    log: PathBuf,
}

impl Kamailio {
    /// Starts one that listens there, shows that certificate by TLS, has `more` in its settings, answers
    /// OPTIONS, and does with all else what `route` says.
    ///
    /// # Errors
    /// It is not installed, or its files cannot be written.
    pub fn start(
        listen: &[String],
        tls: &Certificate,
        more: &str,
        route: &str,
        folder: &Path,
    ) -> Result<Self> {
        let file = folder.join("kamailio.cfg");
        let modules = ["tm", "sl", "rr", "pv", "siputils", "textops"];
        let mut text = "debug=1\nlog_stderror=yes\nchildren=2\ntcp_children=2\ndns=no\n".to_owned();
        for at in listen {
            text += &format!("listen={at}\n");
        }
        // The first address is that of a PBX: its streams begin there.
        if let Some(host) = listen.first().and_then(|at| at.split(':').nth(1)) {
            text += &format!("tcp_source_ipv4={host}\n");
        }
        for module in modules {
            text += &format!("loadmodule \"{module}.so\"\n");
        }
        text += more;
        if listen.iter().any(|at| at.starts_with("tls:")) {
            let Certificate {
                certificate, key, ..
            } = tls;
            let settings = folder.join("kamailio-tls.cfg");
            let side = format!(
                "method = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n\
                 private_key = {}\ncertificate = {}\n",
                key.display(),
                certificate.display()
            );
            let sides = format!("[server:default]\n{side}[client:default]\n{side}");
            std::fs::write(&settings, sides)?;
            text += "enable_tls=yes\nloadmodule \"tls.so\"\n";
            text += &format!("modparam(\"tls\", \"config\", {settings:?})\n");
        }
        text += &format!(
            "request_route {{\n\
             if (is_method(\"OPTIONS\") && !has_totag()) {{ sl_send_reply(\"200\", \"OK\"); exit; }}\n\
             {route}}}\n"
        );
        std::fs::write(&file, text)?;
        let log = folder.join("kamailio.log");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "256", "-M", "16", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(folder)
            .arg("-P")
            .arg(folder.join("kamailio.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start kamailio (Debian: kamailio, kamailio-tls-modules)")?;
        let kamailio = Self { child, log };
        for at in listen {
            let (transport, address) = at.split_once(':').context("no transport")?;
            let address: SocketAddrV4 = address.parse()?;
            sipp::wait_until_bound(transport, (*address.ip(), address.port()))
                .with_context(|| kamailio.said())?;
        }
        Ok(kamailio)
    }

    /// Its process, whose children do the work.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it said.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Asked to end, it ends its children too; killed, it would leave them.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = clock::now() + LIMIT;
        while clock::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            sleep(LOOK_AGAIN);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The PBX finds the gateway, so that the search itself is shown to work; a stranger does not.
fn scanned(programs: &Programs) -> Result<(bool, String)> {
    let gateway = Gateway::start(programs, "udp", false)?;
    let known = map(&gateway, gateway.at.pbx)?;
    let (nothing, said) = strangers_see_nothing(&gateway)?;
    let right = nothing && known.contains(PRODUCT);
    Ok((right, format!("{said}\nPBX:\n{known}")))
}

/// Whether a stranger's scanners find neither a gateway nor its destination codes, and what they said.
///
/// # Errors
/// `SIPVicious` is not installed.
pub fn strangers_see_nothing(gateway: &Gateway) -> Result<(bool, String)> {
    let at = gateway.at;
    let stranger = map(gateway, at.stranger)?;
    let mut command = Command::new("svwar");
    command.args(["-b", &at.stranger.to_string(), "-P", "5099", "--force"]);
    command.args(["-m", "INVITE", "-e", "43799-43801"]);
    command.arg(at.gateway.to_string());
    let codes = output(&mut command, gateway.folder(), "svwar")?;
    let nothing = |said: &str| said.contains("found nothing") && !said.contains(PRODUCT);
    let right = nothing(&stranger) && nothing(&codes);
    Ok((right, format!("stranger:\n{stranger}\n{codes}")))
}

fn map(gateway: &Gateway, own: Ipv4Addr) -> Result<String> {
    let mut command = Command::new("svmap");
    command.args(["-b", &own.to_string(), "-P", "5099"]);
    command.arg(gateway.at.gateway.to_string());
    output(&mut command, gateway.folder(), "svmap")
}

/// Everything that a program says until it ends, or until [`LIMIT`].
pub(super) fn output(command: &mut Command, folder: &Path, name: &str) -> Result<String> {
    let log = folder.join(format!("{name}.said"));
    let file = File::create(&log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {name} (Debian: baresip-core, sipvicious)"))?;
    let end = clock::now() + LIMIT;
    while clock::now() < end && child.try_wait()?.is_none() {
        sleep(LOOK_AGAIN);
    }
    // It may have ended by itself.
    let _ = child.kill();
    child.wait()?;
    Ok(String::from_utf8_lossy(&std::fs::read(&log)?).into_owned())
}
