-- What is packed. One parcel for an order, however often it is asked for; without a weight where an article has none.
create table parcel (
    order_number bigint primary key,
    articles     bigint not null check (articles > 0),
    grams        bigint check (grams >= 0)
);
