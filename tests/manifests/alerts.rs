//! The alerts, as Prometheus itself judges them: what fires for which namespace, and what does not.
//!
//! Needs promtool, which `tests/install.sh manifests` installs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::render::{is_here, root};

/// What is seen, and which alerts fire then.
const CASES: &str = include_str!("alerts_cases.yaml");

/// What Prometheus would load.
fn rules(manifest: &str) -> String {
    let manifest: Value = serde_norway::from_str(manifest).unwrap();
    serde_json::to_string(&manifest["spec"]).unwrap()
}

fn judge(rules: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("alerts.json"), rules).unwrap();
    fs::write(folder.path().join("cases.yaml"), CASES).unwrap();
    let output =
        Command::new("promtool").args(["test", "rules", "cases.yaml"]).current_dir(folder.path()).output().unwrap();
    (
        output.status.success(),
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat(),
    )
}

#[test]
fn alerts_fire_for_the_namespace_that_they_are_about() {
    if !is_here("promtool", "alerts_fire_for_the_namespace_that_they_are_about") {
        return;
    }
    let manifest = fs::read_to_string(root().join("deploy/components/monitoring/alerts.yaml")).unwrap();
    let (holds, said) = judge(&rules(&manifest));
    assert!(holds, "{said}");
    // `absent` is true only where no namespace at all has the series.
    let global = r#"absent(mysql_proxy_member_up{role=\"primary\"})"#;
    let begin = rules(&manifest).find(" or (max by (namespace) (mysql_proxy_build_info)").unwrap();
    let end = begin + rules(&manifest)[begin..].find("))\"").unwrap() + 2;
    let broken = format!("{} or {global}{}", &rules(&manifest)[..begin], &rules(&manifest)[end..]);
    let (holds, said) = judge(&broken);
    assert!(!holds && said.contains("MysqlProxyNoPrimary"), "the cases hold although the alert is global: {said}");
}
