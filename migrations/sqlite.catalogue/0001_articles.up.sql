-- What the shop sells. A product that is not in it can be ordered; its weight is not known.
create table article (
    product text    not null primary key,
    grams   integer not null
) strict;
