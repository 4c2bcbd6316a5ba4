//! TLS: the keys and the options of a URL, against a server with a certificate of an authority of its own.

use crate::member::Member;
use dbreg::{Builder, DbRegistry, EXIT_CONFIG, EXIT_UNAVAILABLE, ErrorKind, StartError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The server's end, and the file with the authority to trust.
fn acceptor(folder: &Path, expired: bool) -> (TlsAcceptor, PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let trusted = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);

    let mut server = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    if expired {
        server.not_before = rcgen::date_time_ymd(2020, 1, 1);
        server.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let file = folder.join("ca.pem");
    std::fs::write(&file, trusted.pem()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

#[derive(DbRegistry)]
#[registry(toml = "[mongodb.logs]\nhost = \"127.0.0.1\"\ndb = \"logs\"\nconnect_timeout = \"2s\"\n")]
struct ByKeys;

#[derive(DbRegistry)]
#[registry(toml = "[mongodb.logs]\nurl = { env = \"LOGS_URL\" }\nconnect_timeout = \"2s\"\n")]
struct ByUrl;

/// What a start comes to: nothing, or why not.
async fn verdict<R: dbreg::__private::Root>(builder: Builder<R>) -> Option<ErrorKind> {
    let error = match builder.connect().await {
        Ok(db) => {
            db.registry().close().await.unwrap();
            return None;
        }
        Err(error) => error,
    };
    let cause = error.report().failures().next().unwrap().clone();
    if cause.kind() == ErrorKind::Tls {
        assert_eq!(error.exit_code(), EXIT_CONFIG);
        assert!(cause.message().contains("certificate"), "{error}");
        assert!(
            cause.next_step().is_some_and(|step| step.contains("tls_ca")),
            "{error}"
        );
    }
    Some(cause.kind())
}

#[tokio::test]
async fn a_certificate_is_checked_as_the_key_says() {
    let folder = tempfile::tempdir().unwrap();
    for expired in [false, true] {
        let (tls, ca) = acceptor(folder.path(), expired);
        let member = Member::start_with(Some(tls)).await;
        let keys = |tls: &str| {
            ByKeys::builder()
                .variable("DBREG_MONGODB__LOGS__PORT", member.port)
                .variable("DBREG_MONGODB__LOGS__TLS", tls)
        };
        let refused = Some(ErrorKind::Tls);
        let trusting = keys("verify").variable("DBREG_MONGODB__LOGS__TLS_CA", ca.display());
        assert_eq!(
            verdict(trusting).await,
            if expired { refused } else { None },
            "expired: {expired}"
        );
        assert_eq!(
            verdict(keys("verify")).await,
            refused,
            "an authority that nobody knows"
        );
        assert_eq!(verdict(keys("require")).await, None);
    }
}

#[tokio::test]
async fn a_url_says_it_itself_or_leaves_it_to_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, ca) = acceptor(folder.path(), false);
    let member = Member::start_with(Some(tls)).await;
    let url = |options: &str| {
        let url = format!("mongodb://{}/logs{options}", member.address());
        ByUrl::builder().variable("DBREG_MONGODB__LOGS__URL", url)
    };
    let trusting = url(&format!("?tlsCAFile={}", ca.display()));
    assert_eq!(verdict(trusting).await, None);
    assert_eq!(verdict(url("?tls=true")).await, Some(ErrorKind::Tls));
    assert_eq!(verdict(url("?tlsInsecure=true")).await, None);
    let beside = url("").variable("DBREG_MONGODB__LOGS__TLS_CA", ca.display());
    assert_eq!(verdict(beside).await, None);
    let outvoted = url("?tls=true").variable("DBREG_MONGODB__LOGS__TLS", "require");
    assert_eq!(
        verdict(outvoted).await,
        Some(ErrorKind::Tls),
        "the option of the URL counts"
    );
}

/// What a start says of a server that does this to a session that is to be encrypted.
async fn refused_by(answer: &'static [u8]) -> StartError {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let mut sessions = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            sessions.spawn(async move {
                let mut hello = [0; 4096];
                let _ = stream.read(&mut hello).await;
                let _ = stream.write_all(answer).await;
                // Who ends at once with something unread resets the connection, and the answer may be lost.
                while !answer.is_empty() && stream.read(&mut hello).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let builder = ByKeys::builder()
        .variable("DBREG_MONGODB__LOGS__PORT", port)
        .variable("DBREG_MONGODB__LOGS__TLS", "require");
    let error = builder.connect().await.unwrap_err();
    server.abort();
    error
}

#[tokio::test]
async fn a_server_without_tls_is_told_with_what_to_write() {
    let told = |error: &StartError| {
        let cause = error.report().failures().next().unwrap().clone();
        assert!(
            cause
                .next_step()
                .is_some_and(|step| step.contains("`tls = \"off\"`")),
            "{error}"
        );
        (cause.kind(), error.exit_code())
    };
    let plain = refused_by(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(told(&plain), (ErrorKind::Tls, EXIT_CONFIG), "{plain}");
    // As one that is just being started does, too: it may be there in a moment.
    let ended = refused_by(b"").await;
    assert_eq!(told(&ended), (ErrorKind::Timeout, EXIT_UNAVAILABLE));
}
