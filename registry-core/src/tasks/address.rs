//! Names of hosts that lead to one address: connections that say different names may lead to one database.

use super::Tasks;
use super::subject::{Subject, overlap};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How long the names may take in all. One that takes longer leads nowhere: where it counts, the server itself is asked
/// afterwards, and the mark protects.
const LIMIT: Duration = Duration::from_secs(2);

/// What every way to this machine itself is taken for.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Gives the addresses of a name; none when there are none.
type LookUp<'l> = &'l (dyn Fn(String) -> BoxFuture<'static, Vec<IpAddr>> + Sync);

/// A place on a server: `mysql://db1:3306/shop`, `mysql:///run/mysqld/mysqld.sock/shop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named<'p> {
    scheme: &'p str,
    /// Of a socket all that follows: where its path ends is not to be seen.
    host: &'p str,
    /// 0 for a socket.
    port: u16,
    /// What is meant there.
    rest: &'p str,
}

impl<'p> Named<'p> {
    /// Nothing of a file.
    fn read(place: &'p str) -> Option<Self> {
        let (scheme, place) = place.split_once("://")?;
        if place.starts_with('/') {
            let (host, port, rest) = (place, 0, place);
            return Some(Self {
                scheme,
                host,
                port,
                rest,
            });
        }
        let (address, rest) = place.split_once('/')?;
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then_some(Self {
            scheme,
            host,
            port,
            rest,
        })
    }

    fn is_socket(&self) -> bool {
        is_path(self.host)
    }

    /// Whether the two are one place if their hosts are one.
    fn may_meet(&self, other: &Self) -> bool {
        let one_scheme = self.scheme == other.scheme;
        match (self.is_socket(), other.is_socket()) {
            (false, false) => {
                let one_port = self.port == other.port && self.host != other.host;
                one_scheme && one_port && overlap(self.rest, other.rest)
            }
            (true, false) => one_scheme && self.may_be_socket_of(other),
            (false, true) => one_scheme && other.may_be_socket_of(self),
            // As they are written, they are not.
            (true, true) => false,
        }
    }

    /// Whether this socket may be that of a server at a port, and the same is meant there. That of PostgreSQL and of MongoDB
    /// has the port in its name; MySQL's may be of any.
    fn may_be_socket_of(&self, server: &Self) -> bool {
        let end = match self.scheme {
            "postgres" => format!(".{}/{}", server.port, server.rest),
            "mongodb" => format!("-{}.sock/{}", server.port, server.rest),
            _ => format!("/{}", server.rest),
        };
        self.rest.ends_with(&end)
    }
}

/// Whether what stands for a host is a socket, which leads here.
fn is_path(host: &str) -> bool {
    host.starts_with('/')
}

/// One of the addresses that lead to the same: 0.0.0.0 and `::` lead here as well.
fn canonical(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    if address.is_loopback() || address.is_unspecified() {
        HERE
    } else {
        address
    }
}

/// The pairs of subjects that lead to one place when two names lead to one address.
fn doubtful(subjects: &[Subject]) -> Vec<(usize, usize, [&str; 2])> {
    let places = |at: usize| subjects[at].places.iter().filter_map(|place| Named::read(place));
    let mut found = Vec::new();
    for one in 0..subjects.len() {
        for other in one + 1..subjects.len() {
            let matters = subjects[one].selected || subjects[other].selected;
            if !matters || subjects[one].shares_with.contains(&other) {
                continue;
            }
            for place in places(one) {
                let twins = places(other).filter(|twin| place.may_meet(twin));
                found.extend(twins.map(|twin| (one, other, [place.host, twin.host])));
            }
        }
    }
    found
}

impl Tasks {
    /// The same, and connections whose hosts have one address are known to lead to one place. Names are looked up where it
    /// makes a difference, all at once.
    pub(super) async fn resolved(&self) -> Self {
        self.resolved_by(&|host| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((host, 0)).await;
                found.into_iter().flatten().map(|address| address.ip()).collect()
            })
        })
        .await
    }

    async fn resolved_by(&self, look_up: LookUp<'_>) -> Self {
        let mut subjects = self.subjects.clone();
        let doubtful = doubtful(&self.subjects);
        let names: BTreeSet<&str> = doubtful.iter().flat_map(|(_, _, hosts)| *hosts).collect();
        let addresses = names.into_iter().map(async |host| {
            let found = async {
                match host.parse() {
                    Ok(address) => vec![address],
                    Err(_) if host == "localhost" || is_path(host) => vec![HERE],
                    Err(_) => look_up(host.to_owned()).await,
                }
            };
            let found = tokio::time::timeout(LIMIT, found).await.unwrap_or_default();
            let found = found.into_iter().map(canonical);
            (host, found.collect::<BTreeSet<_>>())
        });
        let addresses = crate::together::join_all(addresses).await;
        let addresses: BTreeMap<&str, BTreeSet<IpAddr>> = addresses.into_iter().collect();
        for (one, other, [host, twin]) in doubtful {
            let is_one = !addresses[host].is_disjoint(&addresses[twin]);
            if is_one && !subjects[one].shares_with.contains(&other) {
                subjects[one].shares_with.push(other);
                subjects[other].shares_with.push(one);
            }
        }
        Self {
            subjects,
            options: self.options.clone(),
            profile: self.profile.clone(),
            values: self.values.clone(),
        }
    }
}

#[cfg(all(test, feature = "mysql", feature = "memcached"))]
mod tests {
    use super::*;
    use crate::tasks::TasksBuilder;

    fn tasks(text: &str) -> Tasks {
        let loaded = registry_config::load(text, "databases.toml");
        let built = TasksBuilder::new(loaded.shape).build();
        built.expect("a file without mistakes")
    }

    /// What a name leads to here; nothing else is ever looked up.
    async fn address(host: String) -> Vec<IpAddr> {
        let found = match host.as_str() {
            "db1" | "alias" => "10.0.0.1",
            "db2" => "10.0.0.2",
            "this-machine" => "127.0.1.1",
            "nowhere" | "nowhere.else" => return Vec::new(),
            "never" => std::future::pending().await,
            other => panic!("{other} was looked up"),
        };
        vec![found.parse().expect("an address")]
    }

    #[tokio::test(start_paused = true)]
    async fn names_of_one_address_are_one_host() {
        for (one, other, expected) in [
            ("db1", "alias", true),
            ("db1", "db2", false),
            ("db1", "10.0.0.1", true),
            ("this-machine", "localhost", true),
            ("this-machine", "127.0.0.1", true),
            ("this-machine", "::1", true),
            ("this-machine", "0.0.0.0", true),
            ("db1", "::ffff:10.0.0.1", true),
            ("nowhere", "nowhere.else", false),
            ("db1", "nowhere", false),
            ("never", "db1", false),
        ] {
            let text = format!(
                "[mysql.a]\nhost = \"{one}\"\nusername = \"u\"\ndb = \"shop\"\n\
                 [mysql.b]\nhost = \"{other}\"\nusername = \"u\"\ndb = \"shop\"\nprotected = true\n"
            );
            let found = tasks(&text).resolved_by(&|host| Box::pin(address(host))).await;
            let shares = !found.subjects[0].shares_with.is_empty();
            assert_eq!(shares, expected, "{one} {other}");
            assert_eq!(found.subjects[1].shares_with.is_empty(), !expected);
            let refusal = super::super::protection::by_settings(&found.subjects, 0, &[]);
            assert_eq!(refusal.is_some(), expected, "{one} {other}: {refusal:?}");
        }
    }

    #[tokio::test]
    async fn nothing_is_looked_up_that_makes_no_difference() {
        let text = "[mysql.a]\nhost = \"unknown1\"\nusername = \"u\"\ndb = \"shop\"\n\
            [mysql.other_db]\nhost = \"unknown2\"\nusername = \"u\"\ndb = \"other\"\n\
            [mysql.other_port]\nhost = \"unknown3\"\nport = 7\nusername = \"u\"\ndb = \"shop\"\n\
            [mysql.same]\nhost = \"unknown1\"\nusername = \"u\"\ndb = \"shop\"\n\
            [memcached.a]\nhost = \"unknown5\"\nprefix = \"a:\"\n\
            [memcached.b]\nhost = \"unknown6\"\nprefix = \"b:\"\n";
        let found = tasks(text).resolved_by(&|host| Box::pin(address(host))).await;
        assert_eq!(found.subjects[0].shares_with, [3]);
    }

    #[tokio::test]
    async fn keys_of_one_server_meet_where_their_prefixes_do() {
        let text = "[memcached.a]\nhost = \"db1\"\nprefix = \"shop:\"\n\
            [memcached.b]\nhost = \"alias\"\nprefix = \"shop:eu:\"\n";
        let found = tasks(text).resolved_by(&|host| Box::pin(address(host))).await;
        assert_eq!(found.subjects[0].shares_with, [1]);
    }

    #[tokio::test]
    async fn a_socket_may_be_that_of_any_port_of_this_machine() {
        for (one, other, expected) in [
            ("socket = \"/run/a.sock\"", "host = \"127.0.0.1\"", true),
            (
                "socket = \"/run/a.sock\"",
                "host = \"this-machine\"\nport = 7",
                true,
            ),
            ("socket = \"/run/a.sock\"", "host = \"db1\"", false),
            ("socket = \"/run/a.sock\"", "socket = \"/run/a.sock\"", true),
            ("socket = \"/run/a.sock\"", "socket = \"/run/b.sock\"", false),
        ] {
            let text = format!(
                "[mysql.a]\n{one}\nusername = \"u\"\ndb = \"a/shop\"\n\
                 [mysql.b]\n{other}\nusername = \"u\"\ndb = \"a/shop\"\ntasks = false\n\
                 [mysql.c]\nhost = \"localhost\"\nusername = \"u\"\ndb = \"other\"\n"
            );
            let found = tasks(&text).resolved_by(&|host| Box::pin(address(host))).await;
            let shares: Vec<_> = found.subjects.iter().map(|one| one.shares_with.clone()).collect();
            let expected = if expected {
                [vec![1], vec![0], vec![]]
            } else {
                [vec![], vec![], vec![]]
            };
            assert_eq!(shares, expected, "{one} {other}");
        }
    }

    #[test]
    fn a_socket_of_postgresql_has_its_port() {
        let socket = Named::read("postgres:///run/postgresql/.s.PGSQL.5433/shop").unwrap();
        for (place, expected) in [
            ("postgres://localhost:5433/shop", true),
            ("postgres://localhost:5432/shop", false),
            ("postgres://localhost:433/shop", false),
            ("postgres://localhost:5433/other", false),
            ("mysql://localhost:5433/shop", false),
            ("mongodb://localhost:5433/shop", false),
        ] {
            let place = Named::read(place).unwrap();
            assert_eq!(
                (socket.may_meet(&place), place.may_meet(&socket)),
                (expected, expected),
                "{place:?}"
            );
        }
    }

    #[test]
    fn a_socket_of_mongodb_has_its_port() {
        let socket = Named::read("mongodb:///tmp/mongodb-27018.sock/shop").unwrap();
        for (place, expected) in [
            ("mongodb://localhost:27018/shop", true),
            ("mongodb://localhost:27017/shop", false),
            ("mongodb://localhost:27018/other", false),
        ] {
            assert_eq!(socket.may_meet(&Named::read(place).unwrap()), expected, "{place}");
        }
    }

    #[test]
    fn a_place_has_a_host_or_a_socket() {
        let named = Named::read("mysql://db1:3306/shop/x").unwrap();
        assert_eq!((named.host, named.port, named.rest), ("db1", 3306, "shop/x"));
        assert_eq!(Named::read("postgres://::1:5432/shop").unwrap().host, "::1");
        assert!(Named::read("mysql:///run/mysqld.sock/shop").unwrap().is_socket());
        for place in ["sqlite:/srv/app.db", "mysql:*"] {
            assert_eq!(Named::read(place), None, "{place}");
        }
    }
}
