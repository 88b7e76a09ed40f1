mod cells;
mod templates;
