CREATE TABLE `console_people` (
	`email` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `console_sessions` (
	`hash` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`client_id` text NOT NULL,
	`person` text,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `console_sessions_by_expiry` ON `console_sessions` (`expires_at`);