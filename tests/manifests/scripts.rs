//! Shell inside manifests: scripts in ConfigMaps, and what stands behind `bash -c` and `sh -c`.
//!
//! Knows how to find it and whom to ask about it. Must not know what it does.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Mutex;

use k8s_openapi::api::core::v1::{Container, Lifecycle, LifecycleHandler, Probe};

use crate::document::{Complaint, Document, Rendering};
use crate::mounted::{Files, entries};
use crate::pods::{Placed, pods};

/// A script and where it stands.
pub struct Script<'a> {
    document: &'a Document,
    field: String,
    shell: &'static str,
    /// What the shell reads.
    pub text: String,
    /// What stands beside it and may be read by it, if it is a file.
    beside: Files,
    /// Its own name there.
    name: String,
}

/// Every script of a rendering.
pub fn scripts(rendering: &Rendering) -> Vec<Script<'_>> {
    let mut found = Vec::new();
    for document in rendering.of_kind("ConfigMap") {
        let beside = entries(document);
        for (key, value) in &beside {
            let text = String::from_utf8(value.clone()).unwrap_or_default();
            if let Some(shell) = shell_of_file(key, &text) {
                let field = format!("data[{key}]");
                found.push(Script { document, field, shell, text, beside: beside.clone(), name: key.clone() });
            }
        }
    }
    for pods in pods(rendering) {
        for placed in pods.containers() {
            for (field, command) in commands(placed.container) {
                let field = format!("{}.{field}", placed.path);
                let Some((shell, text)) = inline(&command) else { continue };
                let text = text.to_owned();
                let (beside, name) = (Files::new(), "inline".to_owned());
                found.push(Script { document: pods.owner, field, shell, text, beside, name });
            }
        }
    }
    found
}

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    // Many renderings have the same scripts, and shellcheck is slow.
    static KNOWN: Mutex<BTreeMap<(String, String, Files), Vec<String>>> = Mutex::new(BTreeMap::new());
    let mut complaints = Vec::new();
    for script in scripts(rendering) {
        let key = (script.name.clone(), script.text.clone(), script.beside.clone());
        let known = KNOWN.lock().unwrap().get(&key).cloned();
        let said = known.unwrap_or_else(|| about(&script));
        KNOWN.lock().unwrap().insert(key, said.clone());
        complaints.extend(said.into_iter().map(|wrong| script.document.complaint(&script.field, wrong)));
    }
    complaints
}

/// What a container's commands say, and the scripts that it has been given, each with its field.
pub fn words_of(placed: &Placed<'_>, files: &Files) -> Vec<(String, String)> {
    let commands = commands(placed.container).into_iter().map(|(field, command)| (field, command.join("\n")));
    let scripts = files.iter().filter_map(|(path, value)| {
        let text = String::from_utf8(value.clone()).ok()?;
        shell_of_file(path, &text).map(|_| (format!("volumeMounts ({path})"), text))
    });
    commands.chain(scripts).collect()
}

/// `command` with `args`, and what probes and hooks run.
fn commands(container: &Container) -> Vec<(String, Vec<String>)> {
    let own: Vec<String> = container.command.iter().chain(&container.args).flatten().cloned().collect();
    let mut commands = vec![("command".to_owned(), own)];
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
    ];
    for (field, probe) in probes {
        let Some(Probe { exec: Some(exec), .. }) = probe else { continue };
        commands.push((format!("{field}.exec.command"), exec.command.clone().unwrap_or_default()));
    }
    let Some(Lifecycle { post_start, pre_stop, .. }) = &container.lifecycle else { return commands };
    for (field, handler) in [("lifecycle.postStart", post_start), ("lifecycle.preStop", pre_stop)] {
        let Some(LifecycleHandler { exec: Some(exec), .. }) = handler else { continue };
        commands.push((format!("{field}.exec.command"), exec.command.clone().unwrap_or_default()));
    }
    commands
}

/// The script behind `bash -c` or `sh -ec`.
fn inline(command: &[String]) -> Option<(&'static str, &str)> {
    let at = command.iter().position(|word| shell_of(word).is_some())?;
    let shell = shell_of(&command[at])?;
    let flag = command[at + 1..].iter().position(|word| word.starts_with('-') && word.ends_with('c'))?;
    command.get(at + 1 + flag + 1).map(|script| (shell, script.as_str()))
}

fn shell_of(word: &str) -> Option<&'static str> {
    match word.rsplit('/').next()? {
        "bash" => Some("bash"),
        "sh" | "dash" => Some("sh"),
        _ => None,
    }
}

fn shell_of_file(name: &str, text: &str) -> Option<&'static str> {
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix("#!") {
        Some(interpreter) => interpreter.split_whitespace().rev().find_map(shell_of),
        None => (name.rsplit('.').next() == Some("sh")).then_some("bash"),
    }
}

/// What the shell and shellcheck say. What a script sources is followed; a file that others source is not to blame for
/// variables that only they use.
fn about(script: &Script<'_>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in &script.beside {
        fs::write(folder.path().join(name), content).unwrap();
    }
    fs::write(folder.path().join(&script.name), &script.text).unwrap();
    let grammar = said_by(Command::new(script.shell).arg("-n").arg(&script.name).current_dir(folder.path()));
    if !grammar.is_empty() {
        return grammar;
    }
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(["-x", "-P", ".", "-s", script.shell, "-f", "gcc"]).current_dir(folder.path());
    let source = format!("source={}\n", script.name);
    if script.beside.values().any(|other| String::from_utf8_lossy(other).contains(&source)) {
        shellcheck.args(["-e", "SC2034"]);
    }
    said_by(shellcheck.arg(&script.name))
}

fn said_by(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap();
    if output.status.success() {
        return Vec::new();
    }
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).lines().map(str::to_owned).collect()
}
