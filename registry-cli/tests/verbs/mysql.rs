//! On MySQL: a real server, one that is still starting, and a signal.

use crate::program::{Project, status, text};
use registry_dev::{Mode, MySqlServer, Proxy};
use std::time::{Duration, Instant};

/// How long anything here may take.
const LIMIT: Duration = Duration::from_secs(60);

struct Shop {
    server: MySqlServer,
    proxy: Proxy,
    project: Project,
}

impl Shop {
    async fn new() -> Self {
        let server = registry_dev::mysql().await.expect("a server");
        server
            .create_database("spare", "shop", "canary")
            .await
            .expect("a user");
        server
            .sql("GRANT ALL ON *.* TO 'shop'@'%'")
            .await
            .expect("the right to grant");
        let proxy = Proxy::to(server.address()).await.expect("a proxy");
        let file = format!(
            "[mysql.main]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"shop\"\npassword = {{ env = \"PASSWORD\" }}\n\
             db = \"a`; drop shop\"\nconnect_timeout = \"20s\"\n",
            proxy.port()
        );
        let project = Project::new(&file);
        let table = "CREATE TABLE users (id BIGINT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) NOT NULL);";
        project.write("migrations/mysql.main/1_users.sql", table);
        project.write(
            "fixtures/mysql.main/10-users.csv",
            "#label,name\nalice,Alice\nbob,Bob\n",
        );
        Self {
            server,
            proxy,
            project,
        }
    }

    async fn dbreg(&self, arguments: &[&str]) -> (String, i32) {
        let output = self.project.dbreg(arguments, &[("PASSWORD", "canary")]).await;
        (text(&output), status(&output))
    }

    async fn users(&self) -> String {
        let sql = "SELECT GROUP_CONCAT(name ORDER BY id) FROM `a``; drop shop`.users";
        self.server
            .sql(sql)
            .await
            .expect("the table is there")
            .trim()
            .to_owned()
    }

    /// Waits until somebody more than these has tried to reach the server through the proxy.
    async fn somebody_knocks(&self, before: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.proxy.accepted() == before {
            assert!(Instant::now() < deadline, "nobody came");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_database_of_any_name_is_built_cleared_and_dropped() {
    let shop = Shop::new().await;
    let (words, code) = shop.dbreg(&["build"]).await;
    assert_eq!(code, 0, "{words}");
    assert_eq!(shop.users().await, "Alice,Bob");
    let (words, code) = shop.dbreg(&["clear", "mysql.main"]).await;
    assert_eq!(code, 0, "{words}");
    assert_eq!(shop.users().await, "NULL");
    let (words, code) = shop.dbreg(&["drop"]).await;
    assert_eq!(code, 0, "{words}");
    let left = shop.server.sql("SHOW DATABASES").await.unwrap();
    assert!(!left.contains("drop shop") && left.contains("spare"), "{left}");
}

#[tokio::test]
async fn a_server_that_is_still_starting_is_waited_for() {
    let shop = Shop::new().await;
    shop.proxy.set(Mode::Reset).await.unwrap();
    let (words, code) = shop.dbreg(&["create"]).await;
    assert_eq!(code, 69, "without a wait it is an outage: {words}");
    let before = shop.proxy.accepted();
    let ready = async {
        shop.somebody_knocks(before).await;
        shop.proxy.set(Mode::Pass).await.unwrap();
    };
    let ((words, code), ()) = tokio::join!(shop.dbreg(&["create", "--wait", "50s"]), ready);
    assert_eq!(code, 0, "{words}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_it_in_order() {
    use rustix::process::{Pid, Signal, kill_process};
    let shop = Shop::new().await;
    shop.proxy.set(Mode::Reset).await.unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_dbreg"));
    command
        .args(["create", "--wait", "10m"])
        .current_dir(shop.project.path());
    command.env_clear().env("PASSWORD", "canary").kill_on_drop(true);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    shop.somebody_knocks(0).await;
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
    let output = tokio::time::timeout(LIMIT, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status(&output), 130, "{}", text(&output));
    assert!(text(&output).contains("interrupted"), "{}", text(&output));
}
