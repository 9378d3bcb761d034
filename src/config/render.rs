//! The effective configuration as TOML, with the secrets masked.

use std::fmt::{self, Display};

use super::choice::Choice;
use super::units::show_duration;
use super::{Certificate, ClientTlsDemand, Config, Discovery, Multiplexing, PrimaryRule};

impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { listen, runtime, cluster, monitor, auth, routing, pool, limits, tls } = self;
        writeln!(f, "[listen]")?;
        write_text(f, "read_write", listen.read_write)?;
        write_text(f, "read_only", or_empty(listen.read_only.as_ref()))?;
        write_text(f, "admin_http", or_empty(listen.admin_http.as_ref()))?;
        write_text(f, "admin_sql", or_empty(listen.admin_sql.as_ref()))?;
        write_list(f, "proxy_protocol_from", &listen.proxy_protocol_from)?;

        writeln!(f, "\n[runtime]\nthreads = {}", runtime.threads)?;

        writeln!(f, "\n[cluster]")?;
        write_text(f, "kind", cluster.kind.word())?;
        match &cluster.discovery {
            Discovery::Service(service) => write_text(f, "service", service)?,
            Discovery::Members(members) => write_list(f, "members", members)?,
        }
        writeln!(f, "port = {}", cluster.port)?;
        match &cluster.primary {
            PrimaryRule::Named(name) => write_text(f, "primary", name)?,
            PrimaryRule::Auto => write_text(f, "primary", "auto")?,
        }
        write_text(f, "primary_service", or_empty(cluster.primary_service.as_ref()))?;
        write_list(f, "dns_servers", &cluster.dns_servers)?;

        writeln!(f, "\n[monitor]")?;
        write_text(f, "user", &monitor.user)?;
        write_text(f, "password", &monitor.password)?;
        write_text(f, "interval", show_duration(monitor.interval))?;
        write_text(f, "timeout", show_duration(monitor.timeout))?;
        writeln!(f, "fall = {}\nrise = {}", monitor.fall, monitor.rise)?;
        write_text(f, "max_lag", show_duration(monitor.max_lag))?;
        write_text(f, "follow_interval", show_duration(monitor.follow_interval))?;

        writeln!(f, "\n[auth]")?;
        write_text(f, "source", auth.source.word())?;
        write_text(f, "recheck", show_duration(auth.recheck))?;

        writeln!(f, "\n[routing]")?;
        write_text(f, "consistency", routing.consistency.word())?;
        write_text(f, "causal_wait", show_duration(routing.causal_wait))?;
        writeln!(f, "fallback_limit = {}", routing.fallback_limit)?;
        writeln!(f, "split_transactions = {}", routing.split_transactions)?;
        write_list(f, "trusted_functions", &routing.trusted_functions)?;

        writeln!(f, "\n[pool]\nmax_backend_connections = {}", pool.max_backend_connections)?;
        writeln!(f, "multiplexing = {}", pool.multiplexing == Multiplexing::On)?;
        write_text(f, "acquire_timeout", show_duration(pool.acquire_timeout))?;
        write_text(f, "idle_timeout", show_duration(pool.idle_timeout))?;
        write_text(f, "connect_timeout", show_duration(pool.connect_timeout))?;

        writeln!(f, "\n[limits]\nmax_client_connections = {}", limits.max_client_connections)?;
        writeln!(f, "max_connections_per_user = {}", limits.max_connections_per_user)?;
        write_text(f, "client_read_timeout", show_duration(limits.client_read_timeout))?;
        write_text(f, "client_write_timeout", show_duration(limits.client_write_timeout))?;
        write_text(f, "drain_timeout", show_duration(limits.drain_timeout))?;
        write_text(f, "max_allowed_packet", limits.max_allowed_packet)?;

        writeln!(f, "\n[tls.client]")?;
        if let Some(client) = &tls.client {
            match &client.certificate {
                Certificate::Auto => write_text(f, "cert", "auto")?,
                Certificate::Files { cert, key } => {
                    write_text(f, "cert", cert.display())?;
                    write_text(f, "key", key.display())?;
                }
            }
            write_text(f, "ca", or_empty(client.ca.as_ref().map(|ca| ca.display()).as_ref()))?;
            writeln!(f, "required = {}", client.demand == ClientTlsDemand::Required)?;
        } else {
            write_text(f, "cert", "")?;
        }
        writeln!(f, "\n[tls.backend]")?;
        write_text(f, "mode", tls.backend.mode.word())?;
        write_text(f, "ca", or_empty(tls.backend.ca.as_ref().map(|ca| ca.display()).as_ref()))?;
        if let Some((cert, key)) = &tls.backend.pair {
            write_text(f, "cert", cert.display())?;
            write_text(f, "key", key.display())?;
        }
        write_text(f, "pin", tls.backend.pins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))?;

        for user in &auth.users {
            writeln!(f, "\n[[users]]")?;
            write_text(f, "name", &user.name)?;
            write_text(f, "password", &user.password)?;
        }
        Ok(())
    }
}

fn or_empty(value: Option<&impl Display>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

fn write_text(f: &mut fmt::Formatter<'_>, key: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{key} = {}", quoted(&value))
}

fn write_list(f: &mut fmt::Formatter<'_>, key: &str, values: &[impl Display]) -> fmt::Result {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    writeln!(f, "{key} = [{}]", values.join(", "))
}

fn quoted(value: &impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}
