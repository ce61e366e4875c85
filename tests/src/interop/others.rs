//! Peers that are neither ours nor SIPp: baresip as a phone, Kamailio as a proxy in between, and the
//! scanners of SIPVicious as strangers.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use net::clock;
use rustix::process::{Pid, Signal, kill_process};

use super::gateway::{Addresses, ECHO, Gateway, PORT};
use super::sipp;
use super::table::{Table, Verdict};
use crate::harness::Programs;

/// Longest time of a program that ends by itself.
const LIMIT: Duration = Duration::from_secs(30);
/// How often is looked whether one has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Time for Kamailio to listen.
const LISTEN: Duration = Duration::from_secs(1);
/// Samples per second of the tone, and how many there are.
const RATE: u32 = 8000;
const SAMPLES: u32 = 2 * RATE;
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
        let (right, said) = run().with_context(|| name.to_owned())?;
        if !right {
            say(&format!("{name}\n{said}"));
        }
        table.0.push(Verdict {
            name: name.to_owned(),
            must: "as said".to_owned(),
            got: if right { "so" } else { "otherwise" }.to_owned(),
            right,
            note: String::new(),
        });
        Ok::<_, anyhow::Error>(())
    };
    // Over TCP, baresip's own end has an address that it cannot be told, and that is no PBX's here.
    take("baresip udp: echo, voice comes back", &|| baresip(programs))?;
    for transport in ["udp", "tcp"] {
        let name = format!("kamailio {transport}: echo through a proxy that records its route");
        take(&name, &|| kamailio(programs, transport))?;
    }
    take("sipvicious: nothing for a stranger", &|| scanned(programs))?;
    Ok(table)
}

/// Calls the echo, sends a tone, and says whether voice came back and the call was closed in order.
fn baresip(programs: &Programs) -> Result<(bool, String)> {
    let gateway = Gateway::start(programs, "udp", false)?;
    let Addresses {
        pbx, gateway: to, ..
    } = gateway.at;
    let folder = gateway.folder().join("baresip");
    std::fs::create_dir(&folder)?;
    let tone = folder.join("tone.wav");
    std::fs::write(&tone, wave())?;
    let config = format!(
        "poll_method epoll\nsip_listen {pbx}:6060\naudio_source aufile,{}\n\
         module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\n\
         module_tmp account.so\nmodule_app menu.so\n",
        tone.display()
    );
    std::fs::write(folder.join("config"), config)?;
    let account = format!(
        "<sip:2001@{pbx}>;regint=0;audio_codecs=pcma;outbound=\"sip:{to}:{PORT};transport=udp\"
"
    );
    std::fs::write(folder.join("accounts"), account)?;
    std::fs::write(folder.join("contacts"), "")?;
    let said = output(
        Command::new("baresip")
            .arg("-f")
            .arg(&folder)
            .args(["-n", &pbx.to_string(), "-s", "-t", "5", "-e"])
            .arg(format!("/dial sip:{ECHO}@{to}")),
        &folder,
        "baresip",
    )?;
    let voice = said.contains("incoming rtp for 'audio' established");
    let closed = said.contains("\nBYE sip:") && said.contains(" BYE\r\n");
    Ok((voice && closed, said))
}

/// One channel of two seconds: 500 Hz as a square.
fn wave() -> Vec<u8> {
    let bytes = 2 * SAMPLES;
    let mut wave = Vec::new();
    wave.extend(b"RIFF");
    wave.extend((36 + bytes).to_le_bytes());
    wave.extend(b"WAVEfmt ");
    wave.extend(16_u32.to_le_bytes());
    // Linear samples, one channel.
    wave.extend([1, 0, 1, 0]);
    wave.extend(RATE.to_le_bytes());
    wave.extend((2 * RATE).to_le_bytes());
    // Bytes and bits of a sample.
    wave.extend([2, 0, 16, 0]);
    wave.extend(b"data");
    wave.extend(bytes.to_le_bytes());
    for sample in 0..SAMPLES {
        let level: i16 = if sample / 8 % 2 == 0 { 8000 } else { -8000 };
        wave.extend(level.to_le_bytes());
    }
    wave
}

/// A call by a proxy at the PBX's address, which stays in the path.
fn kamailio(programs: &Programs, transport: &str) -> Result<(bool, String)> {
    let gateway = Gateway::start(programs, transport, false)?;
    let at = gateway.at;
    let proxy = Kamailio::start(&at, transport, gateway.folder())?;
    sleep(LISTEN);
    let ended = sipp::call(&gateway, transport, "caller_basic", at.stranger, at.pbx)?;
    let said = format!("{}\n{}", ended.1, proxy.said());
    // The route that the proxy recorded came back in the answer, and the call went along it.
    let recorded = ended.1.contains(&format!("Record-Route: <sip:{}", at.pbx));
    Ok((ended.0 && recorded, said))
}

/// Kamailio and its children.
struct Kamailio {
    child: Child,
    log: PathBuf,
}

impl Kamailio {
    fn start(at: &Addresses, transport: &str, folder: &Path) -> Result<Self> {
        let (pbx, to) = (at.pbx, at.gateway);
        let file = folder.join("kamailio.cfg");
        let modules = ["tm", "sl", "rr", "pv", "siputils", "textops"];
        let modules: String = modules
            .iter()
            .map(|module| format!("loadmodule \"{module}.so\"\n"))
            .collect();
        std::fs::write(
            &file,
            format!(
                "debug=1\nlog_stderror=yes\nchildren=1\ntcp_children=1\n\
                 listen=udp:{pbx}:{PORT}\nlisten=tcp:{pbx}:{PORT}\n\
                 tcp_source_ipv4={pbx}\n{modules}\
                 request_route {{\n\
                 if (is_method(\"OPTIONS\")) {{ sl_send_reply(\"200\", \"OK\"); exit; }}\n\
                 if (has_totag()) {{ loose_route(); t_relay(); exit; }}\n\
                 record_route();\n\
                 $du = \"sip:{to}:{PORT};transport={transport}\";\n\
                 t_relay();\n}}\n"
            ),
        )?;
        let log = folder.join("kamailio.log");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(folder)
            .arg("-P")
            .arg(folder.join("kamailio.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start kamailio")?;
        Ok(Self { child, log })
    }

    fn said(&self) -> String {
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

/// A stranger finds neither the gateway nor its destination codes; the PBX finds it, so that the search
/// itself is shown to work.
fn scanned(programs: &Programs) -> Result<(bool, String)> {
    let gateway = Gateway::start(programs, "udp", false)?;
    let at = gateway.at;
    let map = |own: Ipv4Addr| {
        let mut command = Command::new("svmap");
        command.args(["-b", &own.to_string(), "-P", "5099"]);
        command.arg(at.gateway.to_string());
        output(&mut command, gateway.folder(), "svmap")
    };
    let (stranger, known) = (map(at.stranger)?, map(at.pbx)?);
    let mut command = Command::new("svwar");
    command.args(["-b", &at.stranger.to_string(), "-P", "5099", "--force"]);
    command.args(["-m", "INVITE", "-e", "43799-43801"]);
    command.arg(at.gateway.to_string());
    let codes = output(&mut command, gateway.folder(), "svwar")?;
    let nothing = |said: &str| said.contains("found nothing") && !said.contains(PRODUCT);
    let right = nothing(&stranger) && nothing(&codes) && known.contains(PRODUCT);
    let said = format!("stranger:\n{stranger}\n{codes}\nPBX:\n{known}");
    Ok((right, said))
}

/// Everything that a program says until it ends, or until [`LIMIT`].
fn output(command: &mut Command, folder: &Path, name: &str) -> Result<String> {
    let log = folder.join(format!("{name}.said"));
    let file = File::create(&log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let end = clock::now() + LIMIT;
    while clock::now() < end && child.try_wait()?.is_none() {
        sleep(LOOK_AGAIN);
    }
    // It may have ended by itself.
    let _ = child.kill();
    child.wait()?;
    Ok(String::from_utf8_lossy(&std::fs::read(&log)?).into_owned())
}
