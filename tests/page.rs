//! The page in a real browser: Debian's Chromium, driven and judged by what `tests/page/install.sh` installs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_proxy::demo::Flavor;

mod support;

use support::{Proxy, raw::Raw};

/// A browser that looks at the page.
struct Browser {
    process: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Browser {
    fn open(url: &str) -> Option<Self> {
        let modules = std::env::var_os("PAGE")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page"), PathBuf::from);
        let absent = [modules.join("node_modules/axe-core"), PathBuf::from("/usr/bin/chromium")];
        if let Some(absent) = absent.iter().find(|it| !it.exists()) {
            println!(
                "SKIPPED: the page in a browser: there is no {}; tests/page/install.sh installs it",
                absent.display()
            );
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/look.js");
        let mut command = Command::new("node");
        command.arg(script).env("PAGE", modules).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (say, hear) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut browser = Self { process, say, hear };
        browser.run(&format!("open {url}"));
        Some(browser)
    }

    /// Gives what it answers.
    fn run(&mut self, command: &str) -> String {
        writeln!(self.say, "{command}").unwrap();
        let mut answer = String::new();
        self.hear.read_line(&mut answer).unwrap();
        let said = answer.strip_prefix("ok ").unwrap_or_else(|| panic!("{command}: {answer}"));
        said.trim_end().to_owned()
    }

    /// The member is shown so, at the latest so long after `since`.
    fn shows(&mut self, member: &str, state: &str, since: Instant, limit: Duration) {
        self.run(&format!("member {member} {state} 15000"));
        let took = since.elapsed();
        println!("    {member} is shown as {state} after {took:?}");
        assert!(took <= limit, "{member} was shown as {state} after {took:?} only");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its standard input closes with it, and it ends by itself; what does not is ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_page_shows_what_happens_and_is_for_everybody() {
    let Some(mut cluster) = support::cluster(Flavor::MariaDb, |_| ()) else { return };
    let proxy = Proxy::start(&cluster, "monitor.interval = \"250ms\"");
    let url = format!("http://{}/", proxy.admin_http);
    let Some(mut browser) = Browser::open(&url) else { return };
    let replica = cluster.member(1).address().to_string();
    let primary = cluster.primary().address().to_string();
    let soon = Duration::from_secs(20);
    browser.shows(&primary, "serves", Instant::now(), soon);
    browser.shows(&replica, "serves", Instant::now(), soon);

    // Something for the charts.
    let mut client = Raw::app(proxy.read_write);
    client.run("DO 1");

    cluster.kill(1).unwrap();
    browser.shows(&replica, "down", Instant::now(), Duration::from_secs(2));
    let text = browser.run("text #readiness");
    assert!(text.contains("ready"), "{text}");
    cluster.restart(1).unwrap();
    // The server is back; two good checks make it a replica again.
    browser.shows(&replica, "serves", Instant::now(), Duration::from_secs(2));

    let folder = std::env::var_os("MYSQL_PROXY_SCREENSHOTS").map(PathBuf::from);
    for size in ["1600 1000 light", "1600 1000 dark", "400 850 light", "400 850 dark"] {
        browser.run(&format!("size {size}"));
        browser.shows(&replica, "serves", Instant::now(), soon);
        browser.run("wait #charts figure:nth-child(6) 15000");
        assert_eq!(browser.run("axe"), "[]", "at {size}");
        if let Some(folder) = &folder {
            let name = format!("{}.png", size.replace(' ', "-"));
            println!("    {}", browser.run(&format!("shot {}", folder.join(name).display())));
        }
    }
    assert_eq!(browser.run("problems"), "[]");
}
