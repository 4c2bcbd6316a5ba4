// Every way in which an application may use one connection.
#[allow(unused_imports, reason = "an import is one of the uses")]
use super::app_registry::BACKEND::FIELD as place;
#[allow(unused_imports, reason = "an import is one of the uses")]
use super::app_registry::BACKEND;

pub trait ModelOf<P> {}
pub struct Model;
impl ModelOf<app_registry::BACKEND::FIELD> for Model {}
impl ModelOf<Vec<place>> for Model {}

pub struct Holder<'a> {
    pub field: &'a TYPE,
    pub table: &'a BACKEND::Connections,
}

pub fn hold(db: &AppRegistry) -> Holder<'_> {
    Holder { field: &db.BACKEND.FIELD, table: &db.BACKEND }
}

pub fn tagged<P>(_: &P) -> usize {
    std::mem::size_of::<P>()
}

pub fn typed(field: &TYPE) -> String {
    format!("{field:?}")
}

pub async fn call(db: AppRegistry) -> Result<(), Box<dyn std::error::Error>> {
    let handle = &db.BACKEND.FIELDAVAILABLE;
    handle.ping().await?;
    println!("{} {} {}", handle.name(), tagged(&db.BACKEND.FIELD), typed(&db.BACKEND.FIELD));
    let copy = db.BACKEND.FIELDAVAILABLE.clone();
    spawn(async move { drop(copy.ping().await) });
    let app_registry::Fields { BACKEND: table, .. } = &*db;
    println!("{:?}", table.FIELD);
    let closure = |db: &AppRegistry| format!("{:?}", db.BACKEND.FIELD);
    println!("{}", closure(&db));
    Ok(())
}
