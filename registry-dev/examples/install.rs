//! Installs the servers of this machine that are missing, and says so.

fn main() -> Result<(), registry_dev::Error> {
    registry_dev::install(&registry_dev::Kind::ALL, &mut std::io::stderr())
}
