//! The rules for the proxy's image, read from its `Dockerfile`: pinned, locked, small, without root.
//!
//! Nothing here builds the image; what it copies is proven to be enough for Cargo.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::render::root;

const BINARY: &str = "/usr/local/bin/mysql-proxy";

/// One instruction: `FROM`, and what follows it, with continued lines joined.
type Instruction = (String, String);

fn instructions(text: &str) -> Vec<Instruction> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = lines.map(|line| line.split_once(' ').unwrap_or((line, "")));
    split.map(|(name, rest)| (name.to_ascii_uppercase(), rest.trim().to_owned())).collect()
}

fn of<'i>(instructions: &'i [Instruction], wanted: &str) -> Vec<&'i str> {
    instructions.iter().filter(|(name, _)| name == wanted).map(|(_, rest)| rest.as_str()).collect()
}

/// Complaints about a Dockerfile; `rust_version` is the oldest compiler that the sources are for.
fn complaints(text: &str, rust_version: &str) -> Vec<String> {
    let all = instructions(text);
    let mut complaints = Vec::new();
    let mut unless = |holds: bool, complaint: String| {
        if !holds {
            complaints.push(format!("Dockerfile: {complaint}"));
        }
    };
    for from in of(&all, "FROM") {
        let image = from.split_whitespace().next().unwrap_or_default();
        let tag = image.rsplit('/').next().unwrap_or_default().split_once(':').map_or("", |(_, tag)| tag);
        let version = tag.split('-').next().unwrap_or_default();
        let numbers = version.split('.').filter(|it| it.parse::<u32>().is_ok()).count();
        unless(numbers >= 2, format!("FROM: {image:?} is not pinned to a version"));
        if image.starts_with("rust:") {
            let is_recent = numbers_of(version) >= numbers_of(rust_version);
            unless(is_recent, format!("FROM: {image:?} is older than rust-version {rust_version}"));
        }
    }
    unless(of(&all, "FROM").len() > 1, "FROM: the compiler is in the final image".to_owned());
    let last = all.iter().rposition(|(name, _)| name == "FROM").unwrap_or(0);
    let (building, final_stage) = all.split_at(last);
    let runs = of(building, "RUN");
    let builds: Vec<&&str> = runs.iter().filter(|run| run.contains("cargo build")).collect();
    unless(!builds.is_empty(), "RUN: nothing builds the proxy".to_owned());
    for build in builds {
        unless(build.contains("--locked"), "RUN: cargo build without --locked".to_owned());
        unless(build.contains("--release"), "RUN: cargo build without --release".to_owned());
    }
    for run in of(&all, "RUN") {
        let fetches = ["apt-get", "apk ", "curl", "wget", "git "].iter().find(|it| run.contains(**it));
        unless(fetches.is_none(), format!("RUN: {} brings what is not pinned", fetches.unwrap_or(&"")));
        let dated = ["$(date", "`date", "git describe"].iter().any(|it| run.contains(it));
        unless(!dated, "RUN: writes down when it ran".to_owned());
    }
    unless(of(&all, "ADD").is_empty(), "ADD: fetches and unpacks; COPY does neither".to_owned());
    let user = of(final_stage, "USER").last().copied().unwrap_or("root");
    let numeric = user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0));
    unless(numeric, format!("USER: {user:?} is not a number above 0, which runAsNonRoot asks for"));
    let entry = of(final_stage, "ENTRYPOINT").last().copied().unwrap_or_default();
    unless(entry == format!("[{BINARY:?}]"), format!("ENTRYPOINT: {entry:?} does not take a command of the proxy"));
    let copied = of(final_stage, "COPY").iter().any(|copy| copy.starts_with("--from=build ") && copy.ends_with(BINARY));
    unless(copied, format!("COPY: nothing is at {BINARY}"));
    unless(of(final_stage, "RUN").is_empty(), "RUN: the final image is made by COPY alone".to_owned());
    complaints
}

fn numbers_of(version: &str) -> Vec<u32> {
    version.split('.').map_while(|number| number.parse().ok()).collect()
}

fn text() -> String {
    fs::read_to_string(root().join("Dockerfile")).unwrap()
}

fn rust_version() -> String {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    manifest["package"]["rust-version"].as_str().unwrap().to_owned()
}

/// What the building stage takes from the repository.
fn copied(text: &str) -> Vec<String> {
    let all = instructions(text);
    let copies = of(&all, "COPY").into_iter().filter(|copy| !copy.starts_with("--from")).map(str::to_owned);
    copies
        .flat_map(|copy| {
            let mut words: Vec<String> = copy.split_whitespace().map(str::to_owned).collect();
            words.pop();
            words
        })
        .collect()
}

#[test]
fn the_image_is_pinned_locked_and_without_root() {
    assert_eq!(complaints(&text(), &rust_version()), [""; 0]);
}

#[test]
fn each_rule_of_the_image_is_seen_to_fail() {
    let breakages = [
        ("debian:12.12-slim", "debian:latest", "FROM: \"debian:latest\" is not pinned to a version"),
        ("debian:12.12-slim", "debian", "FROM: \"debian\" is not pinned to a version"),
        ("rust:1.95.0", "rust:1.80.0", "is older than rust-version 1.90"),
        (" --locked", "", "RUN: cargo build without --locked"),
        (" --release", "", "RUN: cargo build without --release"),
        ("RUN cargo", "RUN apt-get install -y cmake\nRUN cargo", "RUN: apt-get brings what is not pinned"),
        ("RUN cargo", "RUN echo $(date) > /built\nRUN cargo", "RUN: writes down when it ran"),
        ("COPY src src", "ADD src src", "ADD: fetches and unpacks"),
        ("USER 65532:65532", "", "USER: \"root\" is not a number"),
        ("USER 65532:65532", "USER 0", "USER: \"0\" is not a number above 0"),
        ("USER 65532:65532", "USER nobody", "USER: \"nobody\" is not a number"),
        ("ENTRYPOINT [", "ENTRYPOINT [\"/bin/sh\", ", "ENTRYPOINT: "),
        (" /usr/local/bin/mysql-proxy\n", " /mysql-proxy\n", "COPY: nothing is at /usr/local/bin/mysql-proxy"),
        ("FROM debian:12.12-slim\n", "", "FROM: the compiler is in the final image"),
    ];
    for (good, bad, expected) in breakages {
        let broken = text().replacen(good, bad, 1);
        assert_ne!(broken, text(), "{good:?} is not in the Dockerfile");
        let found = complaints(&broken, &rust_version());
        assert!(found.iter().any(|it| it.contains(expected)), "{bad:?}: {expected:?} is not in {found:#?}");
    }
}

#[test]
fn the_context_has_what_the_image_copies_and_nothing_else() {
    let ignore = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let lines: Vec<&str> = ignore.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let mut let_in: Vec<String> = lines.iter().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    let mut wanted = copied(&text());
    let_in.sort();
    wanted.sort();
    assert_eq!(lines.first(), Some(&"*"));
    assert_eq!(let_in, wanted);
}

/// Cargo reads the manifest, the lock file and the list of targets from exactly what is copied.
#[test]
fn what_is_copied_is_enough_for_cargo() {
    let folder = tempfile::tempdir().unwrap();
    for name in copied(&text()) {
        copy(&root().join(&name), &folder.path().join(&name));
    }
    let mut command = Command::new(env!("CARGO"));
    let command =
        command.args(["metadata", "--locked", "--no-deps", "--format-version", "1"]).current_dir(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"mysql-proxy\""));
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
