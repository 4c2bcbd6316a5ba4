drop table shop_order_line;
drop table shop_order;
