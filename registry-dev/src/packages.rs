//! The system's packages: which ones, and how they are installed without a service being started.

use crate::{Error, Kind, find, nx, run};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(1200);
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// What keeps PostgreSQL's package from creating a cluster.
const CLUSTER: &str = "/etc/postgresql-common/createcluster.d/dbreg.conf";
const MARK: &str = "# Put here by dbreg for the time of an installation.";

/// Installs the packages `$@`. The policy keeps the packages' scripts from starting what they install; the script is
/// in a process group of its own and takes the policy away at its end, also when we are interrupted.
const APT: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
ours=
trap 'rm -f $ours "$CLUSTER"' EXIT
if [ ! -e "$POLICY" ]; then
    ours=$POLICY
    printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" > "$POLICY"
    chmod 755 "$POLICY"
fi
for package; do
    # Debian's package would create a cluster of its own; ours is what we are for.
    [ "$package" != postgresql ] || {
        mkdir -p "${CLUSTER%/*}"
        printf '%s\ncreate_main_cluster = false\n' "$MARK" > "$CLUSTER"
    }
done
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
for package; do
    case $package in
        memcached | nutcracker | pgbouncer) [ ! -d /run/systemd/system ] || systemctl disable --now "$package" ;;
    esac
done
"#;

/// Who installs packages here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    Apt,
    Brew,
}

impl Installer {
    pub(crate) fn find() -> Option<Self> {
        let apt = find::program(&["apt-get"]).map(|_| Self::Apt);
        apt.or_else(|| find::program(&["brew"]).map(|_| Self::Brew))
    }

    /// Brew is the user's own, and refuses to run as root.
    pub(crate) fn may(self) -> bool {
        rustix::process::getuid().is_root() == (self == Self::Apt)
    }
}

/// The packages that these servers need and this machine does not have.
pub(crate) fn needed(kinds: &[Kind]) -> Vec<&'static str> {
    let brew = Installer::find() == Some(Installer::Brew);
    let mut packages = Vec::new();
    for kind in kinds {
        match kind {
            Kind::MySql if brew => packages.push("mariadb"),
            // Server and client without the service and its configuration.
            Kind::MySql => packages.extend(["mariadb-server-core", "mariadb-client-core"]),
            Kind::Memcached => packages.push("memcached"),
            // It comes from PyPI.
            Kind::MongoDb if nx::python().is_some_and(|python| nx::can_install(&python)) => {}
            Kind::MongoDb if brew => packages.push("python3"),
            Kind::MongoDb => packages.push("python3-venv"),
            Kind::Postgres if brew => packages.push("postgresql@17"),
            Kind::Postgres => packages.push("postgresql"),
        }
    }
    packages
}

/// The command that installs them, as a user would type it.
pub(crate) fn command(packages: &[&str]) -> String {
    let list = packages.join(" ");
    match Installer::find() {
        Some(Installer::Brew) => format!("brew install {list}"),
        _ if rustix::process::getuid().is_root() => {
            format!("apt-get update && apt-get install -y --no-install-recommends {list}")
        }
        _ => format!("sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}"),
    }
}

pub(crate) fn install(installer: Installer, packages: &[&str]) -> Result<(), Error> {
    if installer == Installer::Brew {
        let mut command = Command::new("brew");
        command.arg("install").args(packages);
        return run::output(command, None, DEADLINE).map(drop);
    }
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(APT).arg("dbreg-install").args(packages);
    command
        .env("POLICY", POLICY)
        .env("CLUSTER", CLUSTER)
        .env("MARK", MARK);
    let installed = run::output(command, None, DEADLINE);
    for file in [POLICY, CLUSTER] {
        if std::fs::read_to_string(file).is_ok_and(|text| text.contains(MARK)) {
            // The script was killed at the deadline.
            let removed = std::fs::remove_file(Path::new(file));
            removed.map_err(Error::io(format!("remove {file}")))?;
        }
    }
    installed.map(drop)
}

#[cfg(test)]
mod tests {
    use super::APT;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    /// Both files stand while packages are installed, and neither before nor after.
    #[test]
    fn nothing_starts_during_an_installation_and_nothing_is_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let (policy, cluster) = (
            folder.path().join("policy"),
            folder.path().join("create.d/ours.conf"),
        );
        let log = folder.path().join("log");
        let apt = folder.path().join("apt-get");
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> '{0}'; cat '{1}' '{2}' >> '{0}' 2>&1 || true\n",
            log.display(),
            policy.display(),
            cluster.display()
        );
        std::fs::write(&apt, script).unwrap();
        std::fs::set_permissions(&apt, std::fs::Permissions::from_mode(0o755)).unwrap();
        let run = |packages: &[&str]| {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(APT).arg("dbreg-install").args(packages);
            command
                .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
                .env("POLICY", &policy)
                .env("CLUSTER", &cluster)
                .env("MARK", "# ours");
            assert!(command.status().unwrap().success());
            assert!(!policy.exists() && !cluster.exists());
            let told = std::fs::read_to_string(&log).unwrap();
            std::fs::remove_file(&log).unwrap();
            told
        };
        let told = run(&["postgresql", "other"]);
        assert!(
            told.contains("install --no-install-recommends postgresql other"),
            "{told}"
        );
        assert!(
            told.contains("# ours\nexit 101\n# ours\ncreate_main_cluster = false\n"),
            "{told}"
        );
        let told = run(&["other"]);
        assert!(
            told.contains("exit 101") && !told.contains("create_main_cluster"),
            "{told}"
        );
    }
}
