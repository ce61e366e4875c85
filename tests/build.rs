//! Sets `cfg(has_testdata)` where `RINGWAY_TESTDATA` names a folder with test data. Tests that need it
//! carry `#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]`.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_testdata)");
    println!("cargo::rerun-if-env-changed=RINGWAY_TESTDATA");
    let folder = std::env::var("RINGWAY_TESTDATA").unwrap_or_default();
    if Path::new(&folder).join("csta").is_dir() {
        println!("cargo::rustc-cfg=has_testdata");
    }
}
