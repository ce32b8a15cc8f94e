ALTER TABLE `experience_groups` ADD `max_remove_percent` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `file_sha256` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `mode` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `max_remove_percent` integer;