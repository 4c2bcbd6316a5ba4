//! One server that is played by a script: alone, or a member of a replica set, with users or without.

use crate::scram::{self, Conversation, Mechanism};
use crate::wire;
use dbreg::mongodb::bson::spec::BinarySubtype;
use dbreg::mongodb::bson::{Binary, DateTime, Document, doc, oid::ObjectId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A server on loopback. Dropping it ends it and its sessions.
pub(crate) struct Member {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
    listener: AbortHandle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Alone,
    Primary,
    Secondary,
}

struct State {
    role: Role,
    set: Option<(String, Vec<String>)>,
    /// How often a primary was made: the driver believes the one of the latest election.
    elections: u8,
    /// `db`, name and password of a user, and how it may log in.
    users: HashMap<(String, String), (String, Mechanism)>,
    /// What was run, as `db.command`; without the greetings of the driver's monitors.
    ran: Vec<String>,
    sessions: JoinSet<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.listener.abort();
        self.lock().sessions.abort_all();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

impl Member {
    /// A server that stands alone and wants no login.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same behind TLS.
    pub(crate) async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            role: Role::Alone,
            set: None,
            elections: 0,
            users: HashMap::new(),
            ran: Vec::new(),
            sessions: JoinSet::new(),
        }));
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (tls, state) = (tls.clone(), Arc::clone(&shared));
                lock(&shared).sessions.spawn(async move {
                    match tls {
                        None => serve(stream, port, state).await,
                        Some(tls) => {
                            // A client that refuses the certificate ends it here.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, port, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            port,
            state,
            listener: listening.abort_handle(),
        }
    }

    /// Members of one set, the first of them its primary.
    pub(crate) async fn set(name: &str, count: usize) -> Vec<Self> {
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(Self::start().await);
        }
        let hosts: Vec<String> = members.iter().map(Self::address).collect();
        for (index, member) in members.iter().enumerate() {
            let mut state = member.lock();
            state.set = Some((name.to_owned(), hosts.clone()));
            state.role = if index == 0 {
                Role::Primary
            } else {
                Role::Secondary
            };
        }
        members
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn take(&self, role: Role) {
        let mut state = self.lock();
        state.role = role;
        state.elections += u8::from(role == Role::Primary);
    }

    /// A vote: `old` steps down, this one takes over.
    pub(crate) fn succeed(&self, old: &Self) {
        let elections = old.lock().elections;
        old.take(Role::Secondary);
        self.lock().elections = elections;
        self.take(Role::Primary);
    }

    /// Says from now on that these are the members of its set.
    pub(crate) fn name_members(&self, hosts: &[&str]) {
        if let Some((_, named)) = &mut self.lock().set {
            *named = hosts.iter().map(ToString::to_string).collect();
        }
    }

    /// Knows this user from now on, with this password alone.
    pub(crate) fn user(&self, db: &str, name: &str, password: &str, mechanism: Mechanism) {
        let known = (password.to_owned(), mechanism);
        self.lock().users.insert((db.to_owned(), name.to_owned()), known);
    }

    /// Ends every session.
    pub(crate) fn hang_up(&self) {
        self.lock().sessions.abort_all();
    }

    /// What was run since the last look, as `db.command`.
    pub(crate) fn ran(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().ran)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, port: u16, state: Arc<Mutex<State>>) {
    let mut session = Session {
        port,
        state,
        login: None,
        logged_in: false,
    };
    while let Ok(Some((number, command))) = wire::read(&mut stream).await {
        let reply = session.answer(&command);
        if wire::write(&mut stream, number, &reply).await.is_err() {
            return;
        }
    }
}

struct Session {
    port: u16,
    state: Arc<Mutex<State>>,
    login: Option<Conversation>,
    logged_in: bool,
}

impl Session {
    fn answer(&mut self, command: &Document) -> Document {
        let name = command.keys().next().expect("a command has a name").as_str();
        let db = command
            .get_str("$db")
            .expect("every command names its database")
            .to_owned();
        let shared = Arc::clone(&self.state);
        let mut state = lock(&shared);
        if matches!(name, "hello" | "isMaster" | "ismaster") {
            let mut reply = greeting(&state, self.port, command);
            // Drivers begin with the login that most servers know; whatever speaks against it is found out later.
            if let Ok(begun) = command.get_document("speculativeAuthenticate") {
                let db = begun.get_str("db").expect("it names its database");
                let answer = self.start_login(&state, db, begun);
                if answer.contains_key("payload") {
                    state.ran.push(format!("{db}.saslStart"));
                    reply.insert("speculativeAuthenticate", answer);
                }
            }
            return reply;
        }
        state.ran.push(format!("{db}.{name}"));
        match name {
            "createUser" => {
                let text = |key: &str| command.get_str(key).expect("a text").to_owned();
                let known = (text("pwd"), Mechanism::Sha256);
                state.users.insert((db, text("createUser")), known);
                doc! { "ok": 1.0 }
            }
            "saslStart" => self.start_login(&state, &db, command),
            "saslContinue" => self.continue_login(command),
            _ if !state.users.is_empty() && !self.logged_in => {
                refusal(13, "Unauthorized", "command requires authentication")
            }
            "insert" | "update" | "delete" if state.role == Role::Secondary => {
                let mut reply = refusal(10107, "NotWritablePrimary", "not primary");
                reply.insert("errorLabels", ["RetryableWriteError"].as_slice());
                reply
            }
            "insert" => doc! { "ok": 1.0, "n": 1 },
            "find" => {
                let namespace = format!("{db}.{}", command.get_str("find").expect("a collection"));
                doc! { "ok": 1.0, "cursor": { "id": 0_i64, "ns": namespace, "firstBatch": [] } }
            }
            "buildInfo" => doc! { "ok": 1.0, "version": "7.0.0-script" },
            _ => doc! { "ok": 1.0 },
        }
    }

    fn start_login(&mut self, state: &State, db: &str, command: &Document) -> Document {
        let first = payload(command);
        let wanted = command.get_str("mechanism").expect("a mechanism");
        let key = (db.to_owned(), scram::user(&first).to_owned());
        let Some((password, mechanism)) = state.users.get(&key).filter(|(_, known)| known.name() == wanted)
        else {
            return refusal(18, "AuthenticationFailed", "Authentication failed.");
        };
        let (login, answer) = Conversation::begin(*mechanism, &first, password);
        self.login = Some(login);
        said(&answer, false)
    }

    fn continue_login(&mut self, command: &Document) -> Document {
        let login = self.login.take().expect("a login has begun");
        match login.finish(&payload(command)) {
            Some(answer) => {
                self.logged_in = true;
                said(&answer, true)
            }
            None => refusal(18, "AuthenticationFailed", "Authentication failed."),
        }
    }
}

fn payload(command: &Document) -> String {
    let bytes = command.get_binary_generic("payload").expect("a payload");
    String::from_utf8(bytes.clone()).expect("SCRAM is text")
}

fn said(answer: &str, done: bool) -> Document {
    let payload = Binary {
        subtype: BinarySubtype::Generic,
        bytes: answer.as_bytes().to_vec(),
    };
    doc! { "ok": 1.0, "conversationId": 1, "done": done, "payload": payload }
}

fn refusal(code: i32, name: &str, words: &str) -> Document {
    doc! { "ok": 0.0, "code": code, "codeName": name, "errmsg": words }
}

fn greeting(state: &State, port: u16, command: &Document) -> Document {
    let writable = state.role != Role::Secondary;
    let mut reply = doc! {
        "ok": 1.0,
        "helloOk": true,
        "ismaster": writable,
        "isWritablePrimary": writable,
        "maxBsonObjectSize": 16_777_216,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "localTime": DateTime::now(),
        "logicalSessionTimeoutMinutes": 30,
        "minWireVersion": 0,
        "maxWireVersion": 21,
    };
    if let Some((name, hosts)) = &state.set {
        reply.insert("setName", name.as_str());
        reply.insert("setVersion", 1);
        reply.insert("hosts", hosts.as_slice());
        reply.insert("me", format!("127.0.0.1:{port}"));
        reply.insert("secondary", !writable);
        if writable {
            let election = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, state.elections];
            reply.insert("electionId", ObjectId::from_bytes(election));
        }
    }
    if let Ok(wanted) = command.get_str("saslSupportedMechs") {
        let known = wanted.split_once('.').and_then(|(db, user)| {
            let key = (db.to_owned(), user.to_owned());
            state.users.get(&key)
        });
        if let Some((_, mechanism)) = known {
            reply.insert("saslSupportedMechs", [mechanism.name()].as_slice());
        }
    }
    reply
}
