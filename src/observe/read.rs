//! From replies to facts. Pure and total: what cannot be read is an error, never a guess.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::facts::{KnownServer, Monitored, ReplicaLink, Role, ServerFacts};
use crate::redis::reply::{self, parts};
use crate::redis::{Address, Error};

/// Reads an `INFO` with its default sections.
pub fn server(info: &str, config: BTreeMap<String, String>) -> Result<ServerFacts, Error> {
    let fields = reply::info(info);
    let role = role(&fields)?;
    // 40 zeros stand for none.
    let second = optional(&fields, "master_replid2").filter(|id| id.bytes().any(|byte| byte != b'0'));
    Ok(ServerFacts {
        run_id: required(&fields, "run_id")?.to_owned(),
        replication_id: required(&fields, "master_replid")?.to_owned(),
        second_replication_id: second.unwrap_or_default().to_owned(),
        offset: offset(&fields, &role)?,
        keys: keys(&fields)?,
        loading: ["loading", "async_loading"].iter().any(|name| fields.get(name) == Some(&"1")),
        config,
        clock: number(&fields, "server_time_usec").ok().map(|clock: i64| clock / 1_000_000),
        unlinked_for: number(&fields, "master_link_down_since_seconds").ok(), // -1 where it never was up
        role,
    })
}

fn role(fields: &BTreeMap<&str, &str>) -> Result<Role, Error> {
    match required(fields, "role")? {
        "master" => Ok(Role::Master { replicas: replicas(fields) }),
        "slave" => Ok(Role::Replica {
            source: Address {
                host: required(fields, "master_host")?.to_owned(),
                port: number(fields, "master_port")?,
            },
            link_up: fields.get("master_link_status") == Some(&"up"),
            syncing: fields.get("master_sync_in_progress") == Some(&"1"),
        }),
        other => Err(unreadable("role", other)),
    }
}

/// How far the server is in its history.
///
/// A replica that never synced says `slave_repl_offset:1`: redis prints 1 where it has neither a master nor the memory of
/// one, so with the link down 1 means that there is no history. The replication id does not help, it is
/// random from the start. Every true history is further: its first entry is a `PING` or `SELECT` of 14 bytes or more.
fn offset(fields: &BTreeMap<&str, &str>, role: &Role) -> Result<i64, Error> {
    let offset: i64 = match role {
        Role::Master { .. } => number(fields, "master_repl_offset")?,
        Role::Replica { link_up, .. } => match number(fields, "slave_repl_offset")? {
            1 if !link_up => 0,
            offset => offset,
        },
    };
    Ok(offset.max(0))
}

/// Keys over all databases, from lines such as `db3:keys=2,expires=1,avg_ttl=0`.
fn keys(fields: &BTreeMap<&str, &str>) -> Result<u64, Error> {
    let mut databases = fields.iter().filter(|(name, _)| numbered(name, "db"));
    databases.try_fold(0_u64, |sum, (name, value)| {
        let keys: u64 = parts(value)
            .get("keys")
            .and_then(|keys| keys.parse().ok())
            .ok_or_else(|| unreadable(name, value))?;
        Ok(sum.saturating_add(keys))
    })
}

/// Connected replicas, from lines such as `slave0:ip=10.0.0.1,port=6379,state=online,offset=42,lag=0`.
/// A line that makes no sense is left out: one bad replica does not silence its master.
fn replicas(fields: &BTreeMap<&str, &str>) -> Vec<ReplicaLink> {
    let link = |value: &str| {
        let parts = parts(value);
        Some(ReplicaLink {
            address: Address { host: (*parts.get("ip")?).to_owned(), port: parts.get("port")?.parse().ok()? },
            online: parts.get("state") == Some(&"online"),
            offset: parts
                .get("offset")
                .and_then(|offset| offset.parse().ok())
                .map_or(0, |offset: i64| offset.max(0)),
        })
    };
    fields.iter().filter(|(name, _)| numbered(name, "slave")).filter_map(|(_, value)| link(value)).collect()
}

/// Whether a name is the prefix and a number, as in `db0`.
fn numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads the fields of `SENTINEL MASTER`. Only the address must be there; other numbers are 0 where they are missing.
pub fn monitored(settings: BTreeMap<String, String>) -> Result<Monitored, Error> {
    let fields = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let flags = optional(&fields, "flags").into_iter().flat_map(|flags| flags.split(','));
    Ok(Monitored {
        host: required(&fields, "ip")?.to_owned(),
        port: number(&fields, "port")?,
        flags: flags.map(str::to_owned).collect(),
        replicas: number(&fields, "num-slaves").unwrap_or_default(),
        peers: number(&fields, "num-other-sentinels").unwrap_or_default(),
        quorum: number(&fields, "quorum").unwrap_or_default(),
        config_epoch: number(&fields, "config-epoch").unwrap_or_default(),
        settings,
    })
}

/// Reads an item of `SENTINEL REPLICAS` or `SENTINEL SENTINELS`; nothing where it has no address.
#[must_use]
pub fn known(fields: &BTreeMap<String, String>) -> Option<KnownServer> {
    let field = |name: &str| fields.get(name).filter(|value| !value.is_empty());
    Some(KnownServer {
        address: Address { host: field("ip")?.clone(), port: field("port")?.parse().ok()? },
        id: field("runid").cloned().unwrap_or_default(),
        flags: field("flags").into_iter().flat_map(|flags| flags.split(',')).map(str::to_owned).collect(),
    })
}

fn optional<'a>(fields: &BTreeMap<&str, &'a str>, name: &str) -> Option<&'a str> {
    fields.get(name).copied().filter(|value| !value.is_empty())
}

fn required<'a>(fields: &BTreeMap<&str, &'a str>, name: &str) -> Result<&'a str, Error> {
    optional(fields, name).ok_or_else(|| Error::Protocol(format!("the field {name} is missing")))
}

fn number<T: FromStr>(fields: &BTreeMap<&str, &str>, name: &str) -> Result<T, Error> {
    let value = required(fields, name)?;
    value.parse().map_err(|_| unreadable(name, value))
}

fn unreadable(name: &str, value: &str) -> Error {
    let short: String = value.chars().take(80).collect();
    Error::Protocol(format!("the field {name} is {short:?}"))
}

#[cfg(test)]
mod tests;
