//! What the shop sells, in SQLite: a file that comes with the application.

use crate::AppRegistry;
use crate::input::Line;
use crate::model::{Article, article};
use dbreg::Error;
use dbreg::sea_orm::{ColumnTrait as _, QueryFilter as _};
use std::collections::HashMap;

/// What the lines weigh together; none where one of the products is not in the catalogue.
pub(crate) async fn grams(db: &AppRegistry, lines: &[Line]) -> Result<Option<i64>, Error> {
    let products = lines.iter().map(|line| line.product.as_str());
    let articles = db.sqlite.catalogue.find::<Article>();
    let articles = articles.filter(article::Column::Product.is_in(products));
    let found = articles.all().await?.into_iter();
    let grams: HashMap<String, i64> = found.map(|article| (article.product, article.grams)).collect();
    let sum = lines.iter().try_fold(0_i64, |sum, line| {
        let grams = grams.get(&line.product)?.checked_mul(line.quantity)?;
        sum.checked_add(grams)
    });
    Ok(sum)
}
