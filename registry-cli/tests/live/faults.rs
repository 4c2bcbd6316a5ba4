//! What `dbreg doctor` and `dbreg ping` say of a fault: the step, the cause, the layer, what to do next, the exit status.

use crate::program::{Project, status, text};
use registry_dev::{Mode, MySqlServer, Proxy};
use serde_json::Value;

struct Shop {
    server: MySqlServer,
    proxy: Proxy,
    project: Project,
}

impl Shop {
    async fn new() -> Self {
        let server = registry_dev::mysql().await.expect("a server");
        server
            .create_database("shop", "shop", "canary")
            .await
            .expect("a database");
        let proxy = Proxy::to(server.address()).await.expect("a proxy");
        let file = format!(
            "[mysql.main]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"shop\"\npassword = {{ env = \"PASSWORD\" }}\n\
             db = \"shop\"\nconnect_timeout = \"20s\"\n",
            proxy.port()
        );
        Self {
            server,
            proxy,
            project: Project::new(&file),
        }
    }

    /// What the doctor says of the connection, and the exit status.
    async fn doctor(&self, variables: &[(&str, &str)]) -> (Value, i32) {
        let (array, status) = self.project.json(&["doctor"], variables).await;
        (array[0].clone(), status)
    }
}

const RIGHT: (&str, &str) = ("PASSWORD", "canary");

/// The step that failed is the last.
fn failed(object: &Value) -> &str {
    let steps = object["steps"].as_array().expect("steps");
    let last = steps.last().expect("a step");
    assert_eq!(last["ok"], false, "{object:#}");
    last["step"].as_str().expect("a name")
}

fn word<'v>(object: &'v Value, key: &str) -> &'v str {
    object["error"][key]
        .as_str()
        .unwrap_or_else(|| panic!("no `{key}` in {object:#}"))
}

#[tokio::test]
async fn each_fault_has_its_step_and_its_next_one() {
    let shop = Shop::new().await;
    let (well, status) = shop.doctor(&[RIGHT]).await;
    assert_eq!((well["ok"].as_bool(), status), (Some(true), 0), "{well:#}");

    let (object, status) = shop.doctor(&[("PASSWORD", "wrong")]).await;
    assert_eq!(
        (failed(&object), word(&object, "kind"), status),
        ("login", "auth", 78),
        "{object:#}"
    );
    assert_eq!(word(&object, "from"), "password from PASSWORD (databases.toml:5)");
    assert!(
        word(&object, "next").contains("dbreg explain mysql.main"),
        "{object:#}"
    );

    let (object, status) = shop.doctor(&[]).await;
    assert_eq!(
        (failed(&object), word(&object, "kind"), status),
        ("values", "config", 78),
        "{object:#}"
    );
    assert!(
        word(&object, "message").contains("`PASSWORD` is not set"),
        "{object:#}"
    );
    assert!(word(&object, "next").starts_with("set it"), "{object:#}");

    // An account that may see every database: else the server says that access is denied.
    shop.server
        .sql("GRANT ALL ON *.* TO 'shop'@'%'")
        .await
        .expect("the right to grant");
    let (object, status) = shop.doctor(&[RIGHT, ("DBREG_MYSQL__MAIN__DB", "nowhere")]).await;
    assert_eq!(
        (failed(&object), word(&object, "kind"), status),
        ("database", "unknown-database", 78),
        "{object:#}"
    );
    assert!(
        word(&object, "next").starts_with("`dbreg create mysql.main`"),
        "{object:#}"
    );

    shop.proxy.set(Mode::Down).await.expect("the proxy obeys");
    let (object, status) = shop.doctor(&[RIGHT]).await;
    assert_eq!(
        (failed(&object), word(&object, "kind"), status),
        ("connect", "unreachable", 69),
        "{object:#}"
    );
    assert!(
        word(&object, "message").contains("connection refused"),
        "{object:#}"
    );
    assert_eq!(word(&object, "from"), "host from databases.toml:2");
    assert!(word(&object, "next").contains("start the server"), "{object:#}");

    // It accepts, and says nothing: a server that hangs.
    shop.proxy.set(Mode::Blackhole).await.expect("the proxy obeys");
    let soon = ("DBREG_MYSQL__MAIN__CONNECT_TIMEOUT", "2s");
    let (object, status) = shop.doctor(&[RIGHT, soon]).await;
    assert_eq!(
        (failed(&object), word(&object, "kind"), status),
        ("login", "timeout", 69),
        "{object:#}"
    );
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_before_any_driver() {
    let project = Project::new("[memcached.cache]\nhost = \"nowhere.invalid\"\n");
    let (array, status) = project.json(&["doctor"], &[]).await;
    let object = &array[0];
    assert_eq!(
        (failed(object), word(object, "kind"), status),
        ("resolve", "unreachable", 69),
        "{object:#}"
    );
    assert!(word(object, "next").contains("name server"), "{object:#}");
}

#[tokio::test]
async fn a_stopped_server_is_an_outage_and_a_wrong_password_outweighs_it() {
    let shop = Shop::new().await;
    shop.server.stop().await.expect("the server stops");
    let output = shop.project.dbreg(&["ping"], &[RIGHT]).await;
    assert_eq!(status(&output), 69, "{}", text(&output));
    let lines = text(&output);
    assert!(
        lines.starts_with("mysql.main\t127.0.0.1:") && lines.contains("\tFAIL\t"),
        "{lines}"
    );

    let other = Shop::new().await;
    let file = format!(
        "[mysql.gone]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"u\"\n\
         [mysql.refused]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"nobody\"\n",
        shop.proxy.port(),
        other.server.port()
    );
    let project = Project::new(&file);
    let output = project.dbreg(&["ping"], &[]).await;
    assert_eq!(status(&output), 78, "{}", text(&output));
    let output = project.dbreg(&["ping", "mysql.gone"], &[]).await;
    assert_eq!(status(&output), 69, "{}", text(&output));
}
