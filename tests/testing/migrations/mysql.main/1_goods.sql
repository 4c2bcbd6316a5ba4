create table goods (id int auto_increment primary key, name varchar(40) not null);
