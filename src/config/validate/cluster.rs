//! `[cluster]`: members, discovery, and who is the primary.

use std::net::SocketAddr;

use crate::config::address::is_host;
use crate::config::settings::Settings;
use crate::config::{Cluster, ClusterKind, ConfigError, Discovery, MemberAddress, PrimaryRule};

pub(super) fn cluster(settings: &Settings) -> Result<Cluster, ConfigError> {
    let kind = settings.choice("cluster.kind")?;
    let port = settings.number("cluster.port", 1..=65_535)?;
    let discovery = discovery(settings, port)?;
    if let (ClusterKind::Single, Discovery::Members(members)) = (kind, &discovery)
        && members.len() > 1
    {
        let wrong = format!("a single member was announced and {} are given", members.len());
        return Err(settings.wrong("cluster.members", wrong, "give one member, or another cluster.kind"));
    }
    let primary = primary(settings, &discovery, port)?;
    let primary_service = primary_service(settings, kind, &primary, port)?;
    Ok(Cluster { kind, discovery, port, primary, primary_service, dns_servers: dns_servers(settings)? })
}

fn discovery(settings: &Settings, port: u16) -> Result<Discovery, ConfigError> {
    let members = members(settings, port)?;
    if !members.is_empty() {
        return Ok(Discovery::Members(members));
    }
    let service = settings.text("cluster.service")?;
    if service.is_empty() {
        return Err(settings.wrong("cluster.service", "there are no cluster.members either", "give one of the two"));
    }
    if !is_host(service) {
        let wrong = format!("{service:?} is not a DNS name");
        return Err(settings.wrong(
            "cluster.service",
            wrong,
            "give a name such as \"mysql\"; cluster.port has the port",
        ));
    }
    Ok(Discovery::Service(service.to_owned()))
}

fn members(settings: &Settings, port: u16) -> Result<Vec<MemberAddress>, ConfigError> {
    const KEY: &str = "cluster.members";
    let mut members = Vec::new();
    for item in settings.list(KEY)? {
        let Some(member) = MemberAddress::parse(&item.text, port) else {
            let wrong = format!("{:?} is not the address of a member", item.text);
            return Err(settings.wrong_at(&item.place, KEY, wrong, "give \"host:port\" for each"));
        };
        if members.contains(&member) {
            return Err(settings.wrong_at(
                &item.place,
                KEY,
                format!("{member} is there already"),
                "give each member once",
            ));
        }
        members.push(member);
    }
    Ok(members)
}

fn primary(settings: &Settings, discovery: &Discovery, port: u16) -> Result<PrimaryRule, ConfigError> {
    const KEY: &str = "cluster.primary";
    let name = settings.text(KEY)?;
    if name == "auto" {
        return Ok(PrimaryRule::Auto);
    }
    if MemberAddress::parse(name, port).is_none() {
        let wrong = format!("{name:?} is not the name of a member");
        return Err(settings.wrong(KEY, wrong, "give a member's name, \"host:port\" or \"auto\""));
    }
    if let Discovery::Members(members) = discovery
        && !members.iter().any(|member| member.is_called(name))
    {
        let shown: Vec<String> = members.iter().map(ToString::to_string).collect();
        let right = format!("give one of {}, or \"auto\"", shown.join(", "));
        return Err(settings.wrong(KEY, format!("{name:?} is not among cluster.members"), right));
    }
    Ok(PrimaryRule::Named(name.to_owned()))
}

fn primary_service(
    settings: &Settings,
    kind: ClusterKind,
    primary: &PrimaryRule,
    port: u16,
) -> Result<Option<MemberAddress>, ConfigError> {
    const KEY: &str = "cluster.primary_service";
    let name = settings.text(KEY)?;
    if name.is_empty() {
        return Ok(None);
    }
    if kind != ClusterKind::Replication {
        let wrong = "it leads to one member only, which other kinds of clusters do not always write to";
        return Err(settings.wrong(KEY, wrong, "leave it out, or set cluster.kind = \"replication\""));
    }
    if *primary == PrimaryRule::Auto {
        let wrong = "cluster.primary is \"auto\", so it is not known which member it leads to";
        return Err(settings.wrong(KEY, wrong, "name that member in cluster.primary, or leave it out"));
    }
    let address = MemberAddress::parse(name, port).ok_or_else(|| {
        settings.wrong(KEY, format!("{name:?} is not the name of a Service"), "give a name, or \"host:port\"")
    })?;
    Ok(Some(address))
}

fn dns_servers(settings: &Settings) -> Result<Vec<SocketAddr>, ConfigError> {
    const KEY: &str = "cluster.dns_servers";
    let mut servers = Vec::new();
    for item in settings.list(KEY)? {
        let wrong = || {
            let wrong = format!("{:?} is not an IP address with a port", item.text);
            settings.wrong_at(&item.place, KEY, wrong, "give \"ip:port\", such as \"10.96.0.10:53\"")
        };
        servers.push(item.text.parse().ok().filter(|a: &SocketAddr| a.port() != 0).ok_or_else(wrong)?);
    }
    Ok(servers)
}
