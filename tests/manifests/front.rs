//! `deploy/overlays/front`: the proxy in front of a cluster that is there already, and the way from that cluster's `mysql-read`
//! to the proxies and back, as the manual prints it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::document::Rendering;
use crate::{all_is_here, complaints, render};

const FRONT: &str = "deploy/overlays/front";

/// As `kubectl create service` makes it.
const CREATED: &str = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mysql-read", "labels": {"app": "mysql"}},
  "spec": {"clusterIP": "10.96.0.7", "selector": {"app": "mysql"}, "ports": [{"name": "mysql", "port": 3306, "targetPort": 3306}]}}"#;

/// The front, together with members that somebody has.
#[test]
fn the_front_fits_a_cluster_that_is_there() {
    if !all_is_here("the_front_fits_a_cluster_that_is_there") {
        return;
    }
    let (front, base) = (render::render(FRONT), render::render("deploy/base"));
    assert!(front.find("Service", "mysql-read").is_none(), "an apply would break the one that is there");
    let is_theirs = |file: &str| file.starts_with("deploy/base/mysql/") || file == "deploy/base/kustomization.yaml";
    let manual = fs::read_to_string(render::root().join("docs/kubernetes.md")).unwrap();
    let printed =
        manual.split("# front/kustomization.yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir_in(render::root().join("target")).unwrap();
    let from_here = printed.replace("../deploy/", "../../deploy/");
    fs::write(folder.path().join("kustomization.yaml"), from_here).unwrap();
    let printed = render::parse(&render::text_of(folder.path()));
    assert_eq!(printed.len(), front.documents.len(), "as printed");
    let theirs = base.documents.iter().filter(|document| is_theirs(&document.file));
    let documents = front.documents.iter().chain(theirs).cloned().collect();
    let together = Rendering { folder: FRONT.to_owned(), documents };
    assert!(together.find("StatefulSet", "mysql").is_some() && together.find("Deployment", "mysql-proxy").is_some());
    assert_eq!(complaints(&together).0, [""; 0]);
}

/// What `kubectl` makes of a Service, without a cluster.
fn patched(service: &str, kind: &str, patch: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.json");
    fs::write(&file, service).unwrap();
    let arguments = ["patch", "--local", "--output=json", "--type", kind, "--patch", patch, "--filename"];
    let output = Command::new("kubectl").args(arguments).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn mysql_read_is_switched_as_the_manual_says() {
    if !all_is_here("mysql_read_is_switched_as_the_manual_says") {
        return;
    }
    // An apply merges, and then nobody wears both labels: why the manual patches.
    let base = render::render("deploy/base");
    let ours = base.find("Service", "mysql-read").unwrap();
    let merged = patched(CREATED, "strategic", &json!({"spec": ours.value["spec"]}).to_string());
    assert_eq!(merged["spec"]["selector"], json!({"app": "mysql", "app.kubernetes.io/name": "mysql-proxy"}));

    let manual = fs::read_to_string(render::root().join("docs/kubernetes.md")).unwrap();
    let command = manual.split("kubectl patch service mysql-read --type=json --patch '").nth(1).unwrap();
    let switched = patched(CREATED, "json", command.split('\'').next().unwrap());
    assert_eq!(switched["spec"]["selector"], ours.value["spec"]["selector"]);
    let port = |service: &Value| service["spec"]["ports"][0]["targetPort"].clone();
    assert_eq!((port(&switched), &switched["spec"]["ports"][0]["port"]), (port(&ours.value), &json!(3306)));
    assert_eq!(switched["spec"]["clusterIP"], "10.96.0.7", "its address stays");
}
