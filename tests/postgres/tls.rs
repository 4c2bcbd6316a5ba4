//! TLS, with certificates of an authority that nobody else knows.

use crate::PASSWORD;
use dbreg::{DbRegistry, ErrorKind};
use registry_dev::{PostgresOptions, PostgresServer};
use std::path::{Path, PathBuf};

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.verify]
host = "127.0.0.1"
username = "shop"
tls = "verify"
[postgres.require]
host = "127.0.0.1"
username = "shop"
tls = "require"
[postgres.off]
host = "127.0.0.1"
username = "shop"
tls = "off"
"#)]
struct App;

/// What became of each `tls` against a server: `verify`, `require`, `off`.
async fn kinds(server: &PostgresServer, ca: Option<&str>) -> Vec<Option<ErrorKind>> {
    let mut builder = App::builder();
    for name in ["VERIFY", "REQUIRE", "OFF"] {
        builder = builder
            .variable(format!("DBREG_POSTGRES__{name}__PORT"), server.port())
            .variable(format!("DBREG_POSTGRES__{name}__PASSWORD"), PASSWORD);
    }
    if let Some(ca) = ca {
        builder = builder.variable("DBREG_POSTGRES__VERIFY__TLS_CA", ca);
    }
    let report = match builder.connect().await {
        Ok(db) => db.report().clone(),
        Err(error) => error.report().clone(),
    };
    let kinds = report.connections.iter().map(|row| match &row.outcome {
        dbreg::Outcome::Failed(error, _) => Some(error.kind()),
        _ => None,
    });
    kinds.collect()
}

/// Certificate, key and authority of a server of this name.
fn certificate(folder: &Path, name: &str, expired: bool) -> (PathBuf, PathBuf, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let mut server = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    if expired {
        server.not_before = rcgen::date_time_ymd(2020, 1, 1);
        server.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let paths = ["cert.pem", "key.pem", "ca.pem"].map(|file| folder.join(file));
    let texts = [
        certificate.pem(),
        key.serialize_pem(),
        authority_certificate.pem(),
    ];
    for (path, text) in paths.iter().zip(texts) {
        std::fs::write(path, text).unwrap();
    }
    let [cert, key, ca] = paths;
    (cert, key, ca.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn it_never_falls_back_to_plain_text() {
    let plain = crate::server().await;
    let tls = Some(ErrorKind::Tls);
    assert_eq!(
        kinds(&plain, None).await,
        [tls, tls, None],
        "a server without TLS"
    );
    let folder = tempfile::tempdir().unwrap();
    for (name, expired) in [("127.0.0.1", false), ("127.0.0.1", true), ("elsewhere", false)] {
        let (cert, key, ca) = certificate(folder.path(), name, expired);
        let options = PostgresOptions::default().tls(cert, key);
        let server = registry_dev::postgres_with(options).await.unwrap();
        server.create_database("shop", "shop", PASSWORD).await.unwrap();
        assert_eq!(
            kinds(&server, None).await,
            [tls, None, None],
            "an authority that nobody knows"
        );
        let verdict = if expired || name == "elsewhere" { tls } else { None };
        assert_eq!(
            kinds(&server, Some(&ca)).await,
            [verdict, None, None],
            "{name}, expired: {expired}"
        );
    }
}
