-- The tables of the shop. Money is in cents. Names are compared by their characters alone: `cafe` is not `café`.
create table shop_order (
    number   bigint      not null auto_increment primary key,
    customer varchar(80) not null
) character set utf8mb4 collate utf8mb4_bin;

create table shop_order_line (
    order_number bigint      not null,
    product      varchar(80) not null,
    quantity     bigint      not null,
    cents        bigint      not null,
    primary key (order_number, product),
    foreign key (order_number) references shop_order (number)
) character set utf8mb4 collate utf8mb4_bin;
