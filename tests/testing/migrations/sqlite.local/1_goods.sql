create table goods (id integer primary key, name text not null);
