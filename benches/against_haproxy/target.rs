//! What sysbench is pointed at: the primary itself, or a process in front of it.
//!
//! Knows how `HAProxy` and the proxy are configured for an equal comparison. Must not know what is measured.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use mysql_proxy::demo::{Supervised, free_addresses};

use crate::arguments::{Arguments, Kind};
use crate::backend::Servers;
use crate::load;

/// One of the things compared; its process ends when this is dropped.
pub struct Target {
    pub kind: Kind,
    pub address: SocketAddr,
    /// Where the proxy tells its metrics.
    pub admin: Option<SocketAddr>,
    process: Option<Supervised>,
}

impl Target {
    pub fn start(kind: Kind, servers: &Servers, arguments: &Arguments, folder: &Path) -> Result<Self, Box<dyn Error>> {
        match kind {
            Kind::Direct => Ok(Self { kind, address: servers.primary(), admin: None, process: None }),
            Kind::HaProxy | Kind::SecondHaProxy => Self::haproxy(kind, servers, arguments, folder),
            Kind::Proxy => Self::proxy(kind, "", servers, arguments, folder),
            Kind::Eventual => Self::proxy(kind, "[routing]\nconsistency = \"eventual\"\n", servers, arguments, folder),
            Kind::AtOnce => Self::proxy(kind, "[routing]\ncausal_wait = \"0s\"\n", servers, arguments, folder),
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Supervised::pid)
    }

    fn haproxy(kind: Kind, servers: &Servers, arguments: &Arguments, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let address = free_addresses(1)?[0];
        let text = format!(
            "global\n  nbthread {}\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  \
             timeout server 1h\nlisten mysql\n  bind {address}\n  server primary {}\n",
            arguments.proxy_threads,
            servers.primary(),
        );
        let file = folder.join(format!("{kind:?}.cfg"));
        fs::write(&file, text)?;
        let program = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy"].map(Path::new);
        let program = program.into_iter().find(|program| program.is_file());
        let program = program.ok_or("no haproxy on this machine; install it with: apt-get install haproxy")?;
        let process =
            Supervised::start(program, ["-db".as_ref(), "-f".as_ref(), file.as_os_str()], &file.with_extension("log"))?;
        let mut target = Self { kind, address, admin: None, process: Some(process) };
        target.wait(&file.with_extension("log"))?;
        Ok(target)
    }

    fn proxy(
        kind: Kind,
        routing: &str,
        servers: &Servers,
        arguments: &Arguments,
        folder: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let [address, admin] = free_addresses(2)?[..] else { return Err("two addresses were asked for".into()) };
        // As HAProxy's way to the members is in clear.
        let tls =
            if arguments.proxy_config.contains("[tls.backend]") { "" } else { "[tls.backend]\nmode = \"disabled\"\n" };
        let text = format!(
            "[listen]\nread_write = \"{address}\"\nread_only = \"\"\nadmin_http = \"{admin}\"\nadmin_sql = \"\"\n\
             [runtime]\nthreads = {}\n{}[monitor]\nuser = \"proxy\"\npassword = \"proxy\"\n\
             {routing}{tls}[[users]]\nname = \"app\"\npassword = \"app\"\n{}\n",
            arguments.proxy_threads,
            servers.section(),
            arguments.proxy_config,
        );
        let file = folder.join(format!("mysql-proxy-{kind:?}.toml"));
        fs::write(&file, text)?;
        let program = Path::new(env!("CARGO_BIN_EXE_mysql-proxy"));
        let log = file.with_extension("log");
        let process = Supervised::start(program, ["run".as_ref(), "--config".as_ref(), file.as_os_str()], &log)?;
        let mut target = Self { kind, address, admin: Some(admin), process: Some(process) };
        target.wait(&log)?;
        load::wait_until_ready(admin).map_err(|error| target.explain(&error, &log))?;
        Ok(target)
    }

    fn wait(&mut self, log: &Path) -> Result<(), Box<dyn Error>> {
        load::wait_until_open(self.address).map_err(|error| self.explain(&error, log))
    }

    fn explain(&self, error: &dyn std::fmt::Display, log: &Path) -> Box<dyn Error> {
        let said = fs::read_to_string(log).unwrap_or_default();
        let end: Vec<&str> = said.lines().rev().take(10).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        format!("{} did not start: {error}; its last words:\n{}", self.kind.name(), end.join("\n")).into()
    }
}
