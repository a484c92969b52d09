"""Routes of what is drawn: contours, map, water balance."""

from fastapi import APIRouter

router = APIRouter(prefix="/api")
