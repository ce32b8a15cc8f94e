CREATE TABLE `cron_places` (
	`part` text PRIMARY KEY NOT NULL,
	`after` text NOT NULL
);
