//! What MariaDB and MySQL have different names for.

use crate::mysql::{MySqlOptions, MySqlServer};
use std::time::Duration;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MariaDb,
    MySql,
}

/// What makes a server fit to be a primary and a replica.
///
/// A commit has reached a replica before it is acknowledged, as long as one listens (semi-synchronous, after the sync), so
/// that it outlives the loss of its server.
const REPLICATES: [&str; 3] = ["--log-bin=binlog", "--relay-log=relay", "--read-only=ON"];

const MARIADB: [&str; 8] = [
    "--log-slave-updates=ON",
    "--gtid-strict-mode=ON",
    "--rpl-semi-sync-master-enabled=ON",
    "--rpl-semi-sync-slave-enabled=ON",
    "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
    // A primary without replicas goes on.
    "--rpl-semi-sync-master-wait-no-slave=OFF",
    "--rpl-semi-sync-master-timeout=10000",
    "--slave-net-timeout=10",
];

const MYSQL: [&str; 11] = [
    "--log-replica-updates=ON",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--plugin-load-add=semisync_source.so",
    "--plugin-load-add=semisync_replica.so",
    "--rpl-semi-sync-source-enabled=ON",
    "--rpl-semi-sync-replica-enabled=ON",
    "--rpl-semi-sync-source-wait-point=AFTER_SYNC",
    "--rpl-semi-sync-source-wait-no-replica=OFF",
    "--rpl-semi-sync-source-timeout=10000",
    "--replica-net-timeout=10",
];

impl Flavor {
    /// By what the server says of its version.
    pub(crate) fn of(version: &str) -> Self {
        if version.contains("MariaDB") {
            Self::MariaDb
        } else {
            Self::MySql
        }
    }

    /// The options of a server that replicates.
    pub(crate) fn replicates(self, options: MySqlOptions) -> MySqlOptions {
        let own: &[&str] = match self {
            Self::MariaDb => &MARIADB,
            Self::MySql => &MYSQL,
        };
        let all = REPLICATES.iter().chain(own);
        all.fold(options, |options, argument| options.arg(*argument))
    }

    /// The word for a server that replicates another one.
    fn replica(self) -> &'static str {
        match self {
            Self::MariaDb => "slave",
            Self::MySql => "replica",
        }
    }

    pub(crate) fn start(self, what: &str) -> String {
        format!("start {} {what}", self.replica())
    }

    pub(crate) fn stop(self, what: &str) -> String {
        format!("stop {} {what}", self.replica())
    }

    pub(crate) fn forget_leader(self) -> String {
        format!("reset {} all", self.replica())
    }

    pub(crate) fn status(self) -> String {
        format!("show {} status", self.replica())
    }

    /// What the status calls a column that MariaDB calls so.
    pub(crate) fn column(self, name: &str) -> String {
        match self {
            Self::MariaDb => name.to_owned(),
            Self::MySql if name == "Gtid_IO_Pos" => "Retrieved_Gtid_Set".to_owned(),
            Self::MySql => name.replace("Slave", "Replica"),
        }
    }

    /// Everything that a server has, as primary or replica.
    pub(crate) fn position(self) -> &'static str {
        match self {
            Self::MariaDb => "select @@global.gtid_binlog_pos",
            Self::MySql => "select replace(@@global.gtid_executed, '\\n', '')",
        }
    }

    /// Waits until a server has that; `0` when it has.
    pub(crate) fn wait(self, position: &str, limit: Duration) -> String {
        let seconds = limit.as_secs();
        match self {
            Self::MariaDb => format!("select master_gtid_wait('{position}', {seconds})"),
            Self::MySql => format!("select wait_for_executed_gtid_set('{position}', {seconds})"),
        }
    }

    /// Follows the server at this port; what it wrote as a primary counts as well as what it applied as a replica.
    pub(crate) fn follow(self, port: u16) -> String {
        match self {
            Self::MariaDb => format!(
                "stop slave; set global gtid_slave_pos = @@global.gtid_binlog_pos;
                 change master to master_host = '127.0.0.1', master_port = {port}, master_user = 'replication',
                     master_password = 'replication', master_connect_retry = 1, master_use_gtid = slave_pos;
                 start slave;"
            ),
            Self::MySql => format!(
                "stop replica;
                 change replication source to source_host = '127.0.0.1', source_port = {port},
                     source_user = 'replication', source_password = 'replication', source_connect_retry = 1,
                     source_retry_count = 86400, source_auto_position = 1, source_ssl = 0,
                     get_source_public_key = 1;
                 start replica;"
            ),
        }
    }

    /// A server that begins anew is another one: MySQL passes over what a server of its own number has written.
    pub(crate) fn renumber(self, index: usize) -> Option<String> {
        (self == Self::MySql).then(|| format!("set global server_id = {}", index + 1_001))
    }

    pub(crate) fn delay(self, by: Duration) -> String {
        let seconds = by.as_secs();
        match self {
            Self::MariaDb => format!("change master to master_delay = {seconds}"),
            Self::MySql => format!("change replication source to source_delay = {seconds}"),
        }
    }

    /// How many replicas listen.
    pub(crate) fn listeners(self) -> &'static str {
        match self {
            Self::MariaDb => "show status like 'Rpl_semi_sync_master_clients'",
            Self::MySql => "show status like 'Rpl_semi_sync_source_clients'",
        }
    }

    /// The right to ask how far replication is.
    pub(crate) fn may_look(self) -> &'static str {
        match self {
            Self::MariaDb => "replica monitor",
            Self::MySql => "replication client",
        }
    }
}

impl MySqlServer {
    /// Whether it is MariaDB; else it is MySQL's own server.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.flavor() == Flavor::MariaDb
    }
}
