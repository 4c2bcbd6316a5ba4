//! What `dbreg doctor` says of encryption.

use crate::program::{Project, status, text};
use registry_dev::MySqlOptions;
use std::path::Path;

/// A certificate for 127.0.0.1 of an authority of its own: `cert.pem`, `key.pem`, `ca.pem`.
fn certificate(folder: &Path) {
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let server = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("parameters");
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = server.signed_by(&key, &issuer).expect("a certificate");
    for (name, text) in [
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
        ("ca.pem", ca.pem()),
    ] {
        std::fs::write(folder.join(name), text).expect("the file is written");
    }
}

#[tokio::test]
async fn it_tells_the_protocol_and_who_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let options = MySqlOptions::default().tls(folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let server = registry_dev::mysql_with(options).await.unwrap();
    server.create_database("shop", "shop", "canary").await.unwrap();
    let file = format!(
        "[mysql.main]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"shop\"\npassword = {{ env = \"PASSWORD\" }}\n\
         db = \"shop\"\n",
        server.port()
    );
    let project = Project::new(&file);
    let ca = folder.path().join("ca.pem");
    let password = ("PASSWORD", "canary");
    let verify = ("DBREG_MYSQL__MAIN__TLS", "verify");

    let trusted = [
        password,
        verify,
        ("DBREG_MYSQL__MAIN__TLS_CA", ca.to_str().unwrap()),
    ];
    let (array, code) = project.json(&["doctor"], &trusted).await;
    assert_eq!(code, 0, "{array:#}");
    assert!(
        array[0]["tls"].as_str().unwrap().starts_with("TLSv1."),
        "{array:#}"
    );

    let output = project.dbreg(&["doctor"], &[password, verify]).await;
    let words = text(&output);
    assert_eq!(status(&output), 78, "{words}");
    assert!(words.contains("mysql.main\ttls\tFAIL\t"), "{words}");
    assert!(
        words.contains("mysql.main\tfrom\t\t\ttls from DBREG_MYSQL__MAIN__TLS\n"),
        "{words}"
    );
    assert!(words.contains("mysql.main\tnext\t"), "{words}");
}
