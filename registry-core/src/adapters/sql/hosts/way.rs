//! How sessions are made: the values, and the files behind them as they are now, as the driver's options for each host.

use super::{Hosted, Options};
use crate::adapters::sql::Login;
use crate::error::Error;
use crate::kind::ErrorKind;
use registry_config::{Role, Settings};
use std::sync::Arc;

/// How a session is made.
pub(crate) struct Way<DB: Hosted> {
    /// Counts up with each change of the files.
    pub(super) version: u64,
    /// In the order of the list; never empty.
    pub(crate) hosts: Arc<[HostWay<DB>]>,
}

impl<DB: Hosted> Clone for Way<DB> {
    fn clone(&self) -> Self {
        Self {
            version: self.version,
            hosts: Arc::clone(&self.hosts),
        }
    }
}

/// How a session to one host is made.
pub(crate) struct HostWay<DB: Hosted> {
    pub(crate) options: Options<DB>,
    /// Name and port; nothing for a socket.
    pub(crate) place: Option<(String, u16)>,
    pub(crate) role: Role,
    pub(crate) weight: u32,
}

impl<DB: Hosted> Way<DB> {
    /// The way of these hosts.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn of(hosts: Vec<HostWay<DB>>) -> Result<Self, Error> {
        if hosts.is_empty() {
            return Err(Error::new(ErrorKind::Config, "no host"));
        }
        Ok(Self {
            version: 0,
            hosts: hosts.into(),
        })
    }

    /// That of the values, with every secret as its source has it now.
    pub(crate) fn new(settings: &Settings, label: &str) -> Result<Self, Error> {
        Self::of(DB::hosts(settings, label)?)
    }

    /// The host of this number. Where a list has become shorter, the last one.
    pub(crate) fn host(&self, index: usize) -> &HostWay<DB> {
        let last = self.hosts.len() - 1;
        &self.hosts[index.min(last)]
    }

    /// The hosts that writes may go to, by number: one, or all of a list without roles.
    pub(crate) fn writers(&self) -> Vec<usize> {
        let is_writer = |index: &usize| self.hosts[*index].role == Role::Primary;
        (0..self.hosts.len()).filter(is_writer).collect()
    }

    /// Names and ports of these hosts, for words about what is there.
    pub(super) fn places(&self, hosts: &[usize]) -> Vec<(String, u16)> {
        hosts
            .iter()
            .filter_map(|index| self.host(*index).place.clone())
            .collect()
    }
}

impl<DB: Hosted> HostWay<DB> {
    /// `db1:3306`, `[::1]:3306`; for a socket its word.
    pub(crate) fn address(&self) -> String {
        match &self.place {
            Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
            Some((host, port)) => format!("{host}:{port}"),
            None => "the socket".to_owned(),
        }
    }

    /// The only host, by its socket.
    pub(crate) fn by_socket(options: Options<DB>) -> Self {
        Self {
            options,
            place: None,
            role: Role::Primary,
            weight: 1,
        }
    }
}

/// The hosts of a login, each with its own options.
pub(crate) fn listed<DB: Hosted>(
    login: Login,
    options: impl Fn(&str, u16) -> Options<DB>,
) -> Vec<HostWay<DB>> {
    let hosts = login.hosts.into_iter().zip(login.listed);
    let ways = hosts.map(|((host, port), listed)| HostWay {
        options: options(&host, port),
        place: Some((host, port)),
        role: listed.role,
        weight: listed.weight,
    });
    ways.collect()
}
