"""The server process: puts the objects together, starts and ends them."""
