//! Sets `has_testdata` where `RINGWAY_TESTDATA` names the shared test data (torture messages and test
//! vectors of RFCs, which are never part of the repository).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RINGWAY_TESTDATA");
    println!("cargo::rustc-check-cfg=cfg(has_testdata)");
    if std::env::var_os("RINGWAY_TESTDATA").is_some() {
        println!("cargo::rustc-cfg=has_testdata");
    }
}
